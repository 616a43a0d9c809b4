import { Response } from 'supertest';
import { newId } from '../../src/common/ids';
import { deleteAccount, eventsOf } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import {
  addRole,
  check,
  grant,
  GRANTS,
  heldUp,
  newHolder,
  rolesOf,
  setRoles,
  settled,
} from '../support/authority';
import { newAdministrator, newSignedIn, newVerified, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { newServiceAccount } from '../support/services';

const SUPPORT = ['user:read', 'user:write', 'authz:grant'];
const TRADER = ['view', 'link', 'trade', 'manage'].map((action) => `trading_account:${action}`);

describe('the roles of a user', () => {
  let service: TestService;
  let admin: SignedIn;
  let trader: SignedIn;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
    await addRole(service, 'support', [...SUPPORT, ...TRADER]);
    await addRole(service, 'auditor', ['audit:read'], 'viewer');
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    trader = await newSignedIn(service);
  });

  const set = (userId: string, roles: unknown, by = admin) => setRoles(service, by, userId, roles);
  const roleEvents = async (userId: string): Promise<unknown[]> =>
    (await eventsOf(service, userId))
      .filter(({ type, actor }) => type.startsWith('role.') && actor === `user:${admin.userId}`)
      .map(({ type, data }) => [type, data.role]);

  it('are replaced by those given; every change is an event of its own', async () => {
    trader = await newVerified(service);
    const { body } = await set(trader.userId, ['support', 'auditor', 'support']).expect(200);
    expect(body).toEqual({ user_id: trader.userId, roles: ['auditor', 'support'] });
    expect(await rolesOf(service, trader.userId)).toEqual(['auditor', 'support']);
    expect(await roleEvents(trader.userId)).toEqual([
      ['role.removed', 'trader'],
      ['role.assigned', 'support'],
      ['role.assigned', 'auditor'],
    ]);
  });

  it('stay when they are set to what they are, and nobody is told', async () => {
    await set(trader.userId, ['trader']).expect(200);
    expect(await roleEvents(trader.userId)).toEqual([]);
  });

  it('may be none: then the user may do what is granted directly, and nothing else', async () => {
    await grant(service, admin, trader.userId, 'user:read');
    await set(trader.userId, []).expect(200, { user_id: trader.userId, roles: [] });
    const { body } = await service.client().get(GRANTS, trader.accessToken).expect(200);
    expect(body.roles).toEqual([]);
    expect(body.permissions).toMatchObject([{ permission: 'user:read', source: 'direct' }]);
  });

  it('count at once, while the claims of the access token follow with the next refresh', async () => {
    trader = await newVerified(service);
    const open = () => service.client().post(GRANTS, {}, trader.accessToken);
    expect(await check(service, trader.accessToken, 'authz:grant')).toMatchObject({ allowed: false });
    await set(trader.userId, ['admin']).expect(200);
    expect(await check(service, trader.accessToken, 'authz:grant')).toMatchObject({ allowed: true });
    await expectInvalid(open(), 'user_id', 'permission');
    const refreshed = await service
      .client()
      .post('/v1/auth/refresh', { refresh_token: trader.refreshToken })
      .expect(200);
    expect(claimsOf(trader.accessToken)).toMatchObject({ roles: ['trader'] });
    const claims = claimsOf(refreshed.body.access_token);
    expect(claims.roles).toEqual(['admin']);
    expect(claims.scope.split(' ')).toContain('authz:grant');

    await set(trader.userId, ['trader']).expect(200);
    await expectProblem(open(), 403, 'permission_denied');
    const client = service.client();
    await expectProblem(client.post(GRANTS, {}, refreshed.body.access_token), 403, 'permission_denied');
  });

  it.each<[unknown]>([
    [undefined],
    [null],
    ['trader'],
    [{ 0: 'trader' }],
    [[null]],
    [[['trader']]],
    [['']],
    [['Trader']],
    [['no_such_role']],
    [['trader', 'no_such_role']],
    [['trader\u0000']],
    [['x'.repeat(65)]],
    [Array.from({ length: 21 }, () => 'trader')],
  ])('refuse what is no list of roles: %j', async (roles) => {
    await expectInvalid(set(trader.userId, roles), 'roles');
    expect(await rolesOf(service, trader.userId)).toEqual(['trader']);
  });

  it('belong to somebody: an unknown id, no id and a deleted account are 404', async () => {
    await deleteAccount(service, trader.person.email);
    for (const userId of [newId(), 'x', trader.userId])
      await expectProblem(set(userId, ['trader']), 404, 'not_found');
  });

  describe('are no way up:', () => {
    let support: SignedIn;
    beforeAll(async () => {
      support = await newAdministrator(service, 'support');
    });

    it('without authz:grant nobody sets any', async () => {
      const clerk = await newHolder(service, ['user:read', 'user:write']);
      for (const who of [trader, clerk])
        for (const userId of [who.userId, admin.userId, newId()])
          await expectProblem(set(userId, ['nonsense'], who), 403, 'permission_denied');
    });

    it('nobody changes their own, not even to fewer', async () => {
      for (const roles of [['admin'], ['support'], []])
        await expectProblem(set(support.userId, roles, support), 403, 'escalation_refused');
      await expectProblem(set(admin.userId.toUpperCase(), ['admin'], admin), 403, 'escalation_refused');
      expect(await rolesOf(service, support.userId)).toEqual(['support', 'trader']);
    });

    it('nobody gives a role that includes what they lack', async () => {
      for (const roles of [['admin'], ['trader', 'auditor'], ['support', 'admin']])
        await expectProblem(set(trader.userId, roles, support), 403, 'escalation_refused');
      expect(await rolesOf(service, trader.userId)).toEqual(['trader']);
      const proved = await newVerified(service);
      await set(proved.userId, ['support'], support).expect(200);
    });

    it('one that lifts over others, itself or by its parent, goes to nobody whose address is not proved', async () => {
      await addRole(service, 'deputy', [], 'support');
      await addRole(service, 'writer', ['user:write']);
      await addRole(service, 'giver', ['authz:grant']);
      for (const roles of [['admin'], ['trader', 'support'], ['deputy'], ['writer'], ['giver']])
        await expectProblem(set(trader.userId, roles), 403, 'email_not_verified');
      expect(await rolesOf(service, trader.userId)).toEqual(['trader']);
      expect(await roleEvents(trader.userId)).toEqual([]);

      await set(trader.userId, ['trader', 'auditor']).expect(200);
      await set(await newServiceAccount(service), ['deputy']).expect(200);
      await service.db.query(`UPDATE users SET email_verified_at = now() WHERE id = $1`, [trader.userId]);
      await set(trader.userId, ['deputy', 'auditor']).expect(200);
    });

    it('one that lifts over others is kept and taken also where the address is not proved', async () => {
      await service.db.query(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'support')`, [
        trader.userId,
      ]);
      await set(trader.userId, ['support', 'auditor']).expect(200);
      await set(trader.userId, ['auditor']).expect(200);
      await expectProblem(set(trader.userId, ['support']), 403, 'email_not_verified');
    });

    it('nobody gives a role for ever that includes what they have for a while', async () => {
      const helper = await newHolder(service, [...SUPPORT, ...TRADER]);
      const end = new Date(Date.now() + 3_600_000);
      const id = await grant(service, admin, helper.userId, 'audit:read', end);
      await expectProblem(set(trader.userId, ['auditor'], helper), 403, 'escalation_refused');
      await service.db.query(`UPDATE user_permissions SET expires_at = NULL WHERE id = $1`, [id]);
      await set(trader.userId, ['auditor'], helper).expect(200);
    });

    it('nobody touches those of somebody who holds more', async () => {
      for (const roles of [[], ['trader'], ['admin', 'support']])
        await expectProblem(set(admin.userId, roles, support), 403, 'escalation_refused');
      const lifted = await newSignedIn(service);
      await grant(service, admin, lifted.userId, 'audit:read');
      await expectProblem(set(lifted.userId, [], support), 403, 'escalation_refused');
      expect(await rolesOf(service, lifted.userId)).toEqual(['trader']);
    });

    it('nobody takes a role that includes what they lack and everybody has who signs up', async () => {
      const steward = await newHolder(service, SUPPORT);
      await expectProblem(set(trader.userId, [], steward), 403, 'escalation_refused');
      await expectProblem(set(trader.userId, ['trader', 'auditor'], steward), 403, 'escalation_refused');
      await addRole(service, 'reader', ['user:read']);
      await set(trader.userId, ['trader', 'reader'], steward).expect(200);
      await set(trader.userId, ['trader'], steward).expect(200);
    });

    it('of a call that is refused no fence and no entry is left in the cache', async () => {
      const supporter = await newHolder(service, [...SUPPORT, ...TRADER]);
      const unknown = newId();
      await check(service, admin.accessToken, 'user:read');
      await settled(service);
      await check(service, admin.accessToken, 'user:read');
      const fences = jest.spyOn(service.redis, 'fencePermissions');
      await expectProblem(set(admin.userId, [], supporter), 403, 'escalation_refused');
      await expectProblem(set(unknown, [], supporter), 404, 'not_found');
      for (const [userId, status, code] of [
        [admin.userId, 403, 'escalation_refused'],
        [unknown, 404, 'not_found'],
      ] as const) {
        const { accessToken } = supporter;
        const path = `/v1/users/${userId}`;
        await expectProblem(service.client().delete(path, accessToken), status, code);
        for (const change of ['suspend', 'reactivate'])
          await expectProblem(service.client().post(`${path}/${change}`, {}, accessToken), status, code);
      }
      expect(fences).not.toHaveBeenCalled();
      fences.mockRestore();
      expect(await service.redis.exists(`authz:{${unknown}}`)).toBe(0);
      expect(await check(service, admin.accessToken, 'user:read')).toMatchObject({ cached: true });
    });

    it('nobody touches those of somebody who is lifted at the same moment', async () => {
      const lift = () =>
        service.db.query(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [trader.userId]);
      const reply = await heldUp(service, trader.userId, () => set(trader.userId, [], support), lift);
      expect(reply.body.code).toBe('escalation_refused');
      expect(await rolesOf(service, trader.userId)).toEqual(['admin', 'trader']);
    });

    it('neither sign-up nor the profile takes any', async () => {
      const more = { roles: ['admin'], role: 'admin', permissions: ['authz:grant'], status: 'active' };
      await service
        .client()
        .patch('/v1/users/me', { name: 'Asha', ...more }, trader.accessToken)
        .expect(200);
      expect(await rolesOf(service, trader.userId)).toEqual(['trader']);
      const person = { ...trader.person, email: `x${trader.person.email}`, ...more };
      await service.client().post('/v1/auth/register', person).expect(201);
      const [row] = await service.db.query<{ role: string; status: string }[]>(
        `SELECT role, status FROM users JOIN user_roles ON user_id = id WHERE email = $1`,
        [person.email],
      );
      expect(row).toEqual({ role: 'trader', status: 'pending_verification' });
    });
  });
});

describe('the last administrator', () => {
  let service: TestService;
  let root: SignedIn;
  beforeAll(async () => {
    service = await startService();
    const all = await service.db.query<{ name: string }[]>(`SELECT name FROM permissions`);
    // Holds everything, and is no administrator.
    root = await newHolder(
      service,
      all.map(({ name }) => name),
    );
  });
  afterAll(() => service.stop());
  beforeEach(() => service.db.query(`DELETE FROM user_roles WHERE role IN ('admin', 'owner')`));

  const set = (userId: string, roles: string[], by: SignedIn) => setRoles(service, by, userId, roles);
  const administrators = async (): Promise<number> => {
    const [row] = await service.db.query<{ count: number }[]>(
      `SELECT count(*)::int FROM user_roles WHERE role = 'admin'`,
    );
    return row!.count;
  };

  it('keeps the role, whoever would take it', async () => {
    const admin = await newAdministrator(service);
    for (const roles of [[], ['trader']])
      await expectProblem(set(admin.userId, roles, root), 409, 'last_administrator');
    expect(await rolesOf(service, admin.userId)).toEqual(['admin', 'trader']);
    expect(await eventsOf(service, admin.userId, 'role.removed')).toEqual([]);
    await set(admin.userId, ['admin'], root).expect(200);
  });

  it.each<[string, string]>([
    ['is suspended', `status = 'suspended'`],
    ['is deactivated', `status = 'deactivated'`],
    ['was never proved to be somebody', `status = 'pending_verification'`],
    ['was deleted', `status = 'deleted', deleted_at = now()`],
    ['is a service', `kind = 'service', password_hash = NULL`],
  ])('is not relieved by another who %s', async (_who, change) => {
    const admin = await newAdministrator(service);
    const other = await newAdministrator(service);
    await service.db.query(`UPDATE users SET ${change} WHERE id = $1`, [other.userId]);
    await expectProblem(set(admin.userId, ['trader'], root), 409, 'last_administrator');
  });

  it('goes when there is another one', async () => {
    const [admin, other] = [await newAdministrator(service), await newAdministrator(service)];
    await set(admin.userId, ['trader'], other).expect(200);
    expect(await administrators()).toBe(1);
  });

  it('may have the role by way of a role that includes it', async () => {
    await addRole(service, 'owner', [], 'admin');
    const owner = await newAdministrator(service, 'owner');
    await expectProblem(set(owner.userId, ['trader'], root), 409, 'last_administrator');
    const admin = await newAdministrator(service);
    await set(admin.userId, ['trader'], owner).expect(200);
    await set(owner.userId, ['admin'], root).expect(200);
    expect(await administrators()).toBe(1);
  });

  it('remains of two who remove each other at once, 40 times', async () => {
    const [one, two] = [await newAdministrator(service), await newAdministrator(service)];
    const seen = new Set<string>();
    for (let round = 0; round < 40; round++) {
      const replies: Response[] = await Promise.all([
        set(one.userId, ['trader'], two),
        set(two.userId, ['trader'], one),
      ]);
      const codes = replies.map(({ status, body }) => String(body.code ?? status)).sort();
      // Who comes later finds the other gone, or is none any more.
      expect(codes[0]).toBe('200');
      expect(['last_administrator', 'permission_denied']).toContain(codes[1]);
      seen.add(codes[1]!);
      expect(await administrators()).toBe(1);
      const demoted = (await rolesOf(service, one.userId)).includes('admin') ? two : one;
      await set(demoted.userId, ['admin', 'trader'], demoted === one ? two : one).expect(200);
    }
    expect(seen).toContain('last_administrator');
  });

  it('remains of ten who are removed at once', async () => {
    const admins = await Promise.all(Array.from({ length: 10 }, () => newAdministrator(service)));
    const replies: Response[] = await Promise.all(admins.map(({ userId }) => set(userId, [], root)));
    const codes = replies.map(({ status, body }) => body.code ?? status).sort();
    expect(codes).toEqual([...Array<number>(9).fill(200), 'last_administrator']);
    expect(await administrators()).toBe(1);
  });
});

function claimsOf(accessToken: string): { roles: string[]; scope: string } {
  return JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString());
}
