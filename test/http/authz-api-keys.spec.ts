import { newId } from '../../src/common/ids';
import { startService, TestService } from '../support/app';
import { addRole, grant, GRANTS, rolesOf } from '../support/authority';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { give, newKey, newServiceAccount, take, withKey } from '../support/services';

const HELD = ['user:read', 'authz:check', 'authz:grant'];

describe('authorization with an API key', () => {
  let service: TestService;
  let admin: SignedIn;
  let trader: SignedIn;
  let owner: string;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
    await addRole(service, 'reader', ['user:read']);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    trader = await newSignedIn(service);
    owner = await newServiceAccount(service, ...HELD);
  });

  const keyFor = async (...permissions: string[]): Promise<string> =>
    (await newKey(service, admin, owner, permissions)).apiKey;
  const check = (apiKey: string, body: object) =>
    withKey(service.client().post('/v1/authz/check', body), apiKey);
  const post = (apiKey: string, body: object) => withKey(service.client().post(GRANTS, body), apiKey);
  const set = (apiKey: string, userId: string, roles: string[]) =>
    withKey(service.client().put(`/v1/users/${userId}/roles`, { roles }), apiKey);
  /** Somebody who holds nothing. */
  const newcomer = async (): Promise<string> => newServiceAccount(service);

  it('a check of itself is limited by the key, and by what its owner holds at that moment', async () => {
    const key = await keyFor('user:read', 'authz:check');
    const ask = async (permission: string) => (await check(key, { permission }).expect(200)).body;
    expect(await ask('user:read')).toMatchObject({ allowed: true, reason: 'direct' });
    expect(await ask('authz:grant')).toMatchObject({ allowed: false, reason: 'not_in_api_key' });
    expect(await ask('audit:read')).toMatchObject({ allowed: false, reason: 'no_permission' });
    const own = await check(key, { permission: 'authz:grant', user_id: owner }).expect(200);
    expect(own.body).toMatchObject({ allowed: false, reason: 'not_in_api_key' });
    await take(service, owner, 'user:read');
    expect(await ask('user:read')).toMatchObject({ allowed: false, reason: 'no_permission' });
  });

  it('a check of somebody else takes authz:check in the key and with its owner, and is not limited by it', async () => {
    const about = { permission: 'trading_account:link', user_id: trader.userId };
    await expectProblem(check(await keyFor('user:read', 'authz:grant'), about), 403, 'permission_denied');
    const key = await keyFor('authz:check');
    const { body } = await check(key, about).expect(200);
    expect(body).toMatchObject({ allowed: true, reason: 'role' });
    await take(service, owner, 'authz:check');
    await expectProblem(check(key, about), 403, 'permission_denied');
  });

  it('the list holds what the key lets through', async () => {
    await service.db.query(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'reader')`, [owner]);
    const key = await keyFor('user:read');
    await give(service, owner, 'audit:read');
    const { body } = await withKey(service.client().get(GRANTS), key).expect(200);
    expect(body).toEqual({
      user_id: owner,
      roles: ['reader'],
      permissions: [
        {
          permission: 'user:read',
          source: 'direct',
          permission_id: expect.any(String),
          expires_at: null,
        },
        { permission: 'user:read', source: 'role', role: 'reader' },
      ],
    });
  });

  it('a service grants what its key holds, to those who hold no more', async () => {
    const key = await keyFor('authz:grant', 'user:read');
    const body = { user_id: await newcomer(), permission: 'user:read' };
    const granted = await post(key, body).expect(201);
    expect(granted.body.granted_by).toBe(owner);
    const revoked = service.client().delete(`${GRANTS}/${granted.body.permission_id}`);
    await withKey(revoked, key).expect(204);
    await set(key, body.user_id, ['reader']).expect(200);
    const [event] = await service.db.query<{ metadata: object }[]>(
      `SELECT metadata FROM events WHERE subject = $1 AND event_type = 'role.assigned'`,
      [`user:${body.user_id}`],
    );
    expect(event!.metadata).toMatchObject({ api_key_id: expect.any(String) });
  });

  it('a key without authz:grant opens nothing, whatever its owner holds', async () => {
    const key = await keyFor('user:read');
    await expectProblem(post(key, { user_id: newId(), permission: 'user:fly' }), 403, 'permission_denied');
    await expectProblem(set(key, trader.userId, ['admin']), 403, 'permission_denied');
    const deleted = service.client().delete(`${GRANTS}/${newId()}`);
    await expectProblem(withKey(deleted, key), 403, 'permission_denied');
  });

  it('a key gives no more than it has itself, though its owner has more', async () => {
    const key = await keyFor('authz:grant');
    const target = await newcomer();
    await expectProblem(post(key, { user_id: target, permission: 'user:read' }), 403, 'escalation_refused');
    await expectProblem(set(key, target, ['reader']), 403, 'escalation_refused');
    await expectProblem(set(key, trader.userId, []), 403, 'escalation_refused');
    expect(await rolesOf(service, trader.userId)).toEqual(['trader']);
  });

  describe('a key with an end', () => {
    const HOUR = 3_600_000;
    const at = (ms: number): string => new Date(ms).toISOString();

    it('gives nothing that outlasts it, and no role', async () => {
      const end = Date.now() + HOUR;
      const held = ['authz:grant', 'user:read'];
      const { apiKey } = await newKey(service, admin, owner, held, { expires_at: at(end) });
      const body = { user_id: await newcomer(), permission: 'user:read' };
      for (const expires_at of [undefined, null, at(end + 1)])
        await expectProblem(post(apiKey, { ...body, expires_at }), 403, 'escalation_refused');
      await expectProblem(set(apiKey, body.user_id, ['reader']), 403, 'escalation_refused');
      expect(await rolesOf(service, body.user_id)).toEqual([]);
      await post(apiKey, { ...body, expires_at: at(end) }).expect(201);
    });

    it('takes what it may', async () => {
      const held = ['authz:grant', 'user:read'];
      const { apiKey } = await newKey(service, admin, owner, held, { expires_at: at(Date.now() + HOUR) });
      const reader = await newcomer();
      const id = await grant(service, admin, reader, 'user:read');
      await withKey(service.client().delete(`${GRANTS}/${id}`), apiKey).expect(204);
      await service.db.query(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'reader')`, [reader]);
      await set(apiKey, reader, []).expect(200);
    });
  });

  it('a key changes nothing about its owner, nor takes what it does not hold itself', async () => {
    const key = await keyFor('authz:grant');
    await expectProblem(post(key, { user_id: owner, permission: 'authz:grant' }), 403, 'escalation_refused');
    await expectProblem(set(key, owner, []), 403, 'escalation_refused');
    const id = await grant(service, admin, owner, 'audit:read');
    const deleted = service.client().delete(`${GRANTS}/${id}`);
    await expectProblem(withKey(deleted, key), 403, 'escalation_refused');
  });
});
