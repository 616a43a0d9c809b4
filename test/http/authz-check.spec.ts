import * as fc from 'fast-check';
import { newId } from '../../src/common/ids';
import { deleteAccount } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { addRole, check, grant, GRANTS, newHolder, revoke, settled } from '../support/authority';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const CHECK = '/v1/authz/check';
const ACCOUNT = 'trading_account:0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10';
const HOUR = 3_600_000;

describe('authorization', () => {
  let service: TestService;
  let admin: SignedIn;
  let trader: SignedIn;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    trader = await newSignedIn(service);
  });

  const ask = (body: object, who = trader) => service.client().post(CHECK, body, who.accessToken);

  describe('a check', () => {
    it('allows what a role has, and what the roles below it have; the second answer is out of the cache', async () => {
      for (const permission of ['trading_account:link', 'trading_account:view', 'trading_account:trade']) {
        expect(await check(service, trader.accessToken, permission)).toMatchObject({
          allowed: true,
          reason: 'role',
        });
      }
      await settled(service);
      await check(service, trader.accessToken, 'user:read');
      expect(await check(service, trader.accessToken, 'trading_account:view')).toEqual({
        allowed: true,
        reason: 'role',
        cached: true,
      });
    });

    it('is loaded once for all permissions', async () => {
      const someone = await newSignedIn(service);
      await settled(service);
      const first = await check(service, someone.accessToken, 'trading_account:link');
      const second = await check(service, someone.accessToken, 'user:read');
      expect([first, second]).toEqual([
        { allowed: true, reason: 'role', cached: false },
        { allowed: false, reason: 'no_permission', cached: true },
      ]);
    });

    it.each([
      'user:read',
      'authz:grant',
      'audit:read',
      'no_such:permission',
      'constructor:prototype',
      '__proto__:x',
    ])('denies %s to whom nobody gave it', async (permission) => {
      const { body } = await ask({ permission }).expect(200);
      expect(body).toMatchObject({ allowed: false, reason: 'no_permission' });
    });

    it('says that it comes from a grant, as long as no role gives it', async () => {
      await grant(service, admin, trader.userId, 'user:read');
      await grant(service, admin, trader.userId, 'trading_account:view');
      expect(await check(service, trader.accessToken, 'user:read')).toMatchObject({ reason: 'direct' });
      expect(await check(service, trader.accessToken, 'trading_account:view')).toMatchObject({
        reason: 'role',
      });
    });

    it('lets everybody ask about themselves by their own id, in any letter case', async () => {
      const { body } = await ask({
        permission: 'trading_account:link',
        user_id: trader.userId.toUpperCase(),
      }).expect(200);
      expect(body).toMatchObject({ allowed: true, reason: 'role' });
    });

    it('about somebody else takes authz:check, and tells nothing without it', async () => {
      const other = await newSignedIn(service);
      for (const userId of [other.userId, admin.userId, newId()])
        await expectProblem(ask({ permission: 'user:read', user_id: userId }), 403, 'permission_denied');
      const asker = await newHolder(service, ['authz:check']);
      expect(await check(service, asker.accessToken, 'user:read', admin.userId)).toMatchObject({
        allowed: true,
      });
      expect(await check(service, asker.accessToken, 'user:read', other.userId)).toMatchObject({
        allowed: false,
      });
    });

    it('about nobody is a 404: an unknown id, and a deleted account', async () => {
      const gone = await newSignedIn(service);
      await deleteAccount(service, gone.person.email);
      for (const userId of [newId(), gone.userId])
        for (let i = 0; i < 2; i++)
          await expectProblem(ask({ permission: 'user:read', user_id: userId }, admin), 404, 'not_found');
    });

    it('about an account that may not sign in denies whatever it holds', async () => {
      await service.db.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [trader.userId]);
      expect(await check(service, admin.accessToken, 'trading_account:view', trader.userId)).toMatchObject({
        allowed: false,
        reason: 'account_not_active',
      });
    });

    it('with a trading account that is not there denies, before and after the permission', async () => {
      const { body } = await ask({ permission: 'trading_account:view', resource: ACCOUNT }).expect(200);
      expect(body).toMatchObject({ allowed: false, reason: 'no_access_to_resource' });
      const without = await ask({ permission: 'user:read', resource: ACCOUNT }).expect(200);
      expect(without.body).toMatchObject({ allowed: false, reason: 'no_permission' });
      const ofAdmin = await ask({ permission: 'trading_account:view', resource: ACCOUNT }, admin).expect(200);
      expect(ofAdmin.body.allowed).toBe(false);
    });

    it.each<[string, object]>([
      ['permission', {}],
      ['permission', { permission: null }],
      ['permission', { permission: '' }],
      ['permission', { permission: 'user' }],
      ['permission', { permission: 'user:' }],
      ['permission', { permission: 'User:Read' }],
      ['permission', { permission: 'user:read:all' }],
      ['permission', { permission: 'user:read\n' }],
      ['permission', { permission: 'user:*' }],
      ['permission', { permission: ['user:read'] }],
      ['permission', { permission: `user:${'r'.repeat(100)}` }],
      ['resource', { permission: 'user:read', resource: null }],
      ['resource', { permission: 'user:read', resource: 'trading_account:' }],
      ['resource', { permission: 'user:read', resource: 'trading_account:1' }],
      ['resource', { permission: 'user:read', resource: ACCOUNT.replace('trading_account', 'user') }],
      ['resource', { permission: 'user:read', resource: `${ACCOUNT}/x` }],
      ['resource', { permission: 'user:read', resource: [ACCOUNT] }],
      ['user_id', { permission: 'user:read', user_id: null }],
      ['user_id', { permission: 'user:read', user_id: 'me' }],
      ['user_id', { permission: 'user:read', user_id: `${ACCOUNT}` }],
      ['user_id', { permission: 'user:read', user_id: { id: 'x' } }],
    ])('refuses a wrong %s: %j', (field, body) => expectInvalid(ask(body), field));

    it('never allows, and never breaks, whatever it is asked', async () => {
      const value = fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue(), fc.constant('authz:grant'));
      const bodies = fc.record(
        { permission: value, resource: value, user_id: value },
        { requiredKeys: ['permission'] },
      );
      await fc.assert(
        fc.asyncProperty(bodies, async (body) => {
          const reply = await ask(body);
          // 400: names that JSON of good will does not have, such as __proto__.
          expect([200, 400, 403, 422]).toContain(reply.status);
          expect(reply.body.allowed ?? false).toBe(false);
        }),
        { numRuns: 60 },
      );
    });

    it('is refused to nobody in particular', async () => {
      await expectProblem(
        service.client().post(CHECK, { permission: 'user:read' }),
        401,
        'not_authenticated',
      );
      await expectProblem(service.client().get(GRANTS), 401, 'not_authenticated');
    });
  });

  describe('a role in the table', () => {
    it('below another gives what it has to everybody above it, without a line of code', async () => {
      await addRole(service, 'guest', ['audit:read']);
      await service.db.query(`UPDATE roles SET parent = 'guest' WHERE name = 'viewer'`);
      const late = await newSignedIn(service);
      expect(await check(service, late.accessToken, 'audit:read')).toMatchObject({
        allowed: true,
        reason: 'role',
      });
      const { body } = await service.client().get(GRANTS, late.accessToken).expect(200);
      expect(body.permissions).toContainEqual({ permission: 'audit:read', source: 'role', role: 'guest' });
      await service.db.query(`UPDATE roles SET parent = NULL WHERE name = 'viewer'`);
    });

    it('that includes itself by way of another hangs nobody', async () => {
      await addRole(service, 'hen', ['audit:read']);
      await addRole(service, 'egg', [], 'hen');
      await service.db.query(`UPDATE roles SET parent = 'egg' WHERE name = 'hen'`);
      await service.db.query(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'egg')`, [trader.userId]);
      expect(await check(service, trader.accessToken, 'audit:read')).toMatchObject({ allowed: true });
      const { body } = await service.client().get(GRANTS, trader.accessToken).expect(200);
      expect(body.roles).toEqual(['egg', 'trader']);
      await service
        .client()
        .put(`/v1/users/${trader.userId}/roles`, { roles: ['hen'] }, admin.accessToken)
        .expect(200);
    });
  });

  describe('the list of what somebody holds', () => {
    const list = (query: string, who: SignedIn) =>
      service.client().get(`${GRANTS}?${query}`, who.accessToken);

    it('is there for others with authz:check, and names the grant to revoke, suspended or not', async () => {
      const id = await grant(service, admin, trader.userId, 'user:read');
      const asker = await newHolder(service, ['authz:check']);
      const mine = (await service.client().get(GRANTS, trader.accessToken).expect(200)).body;
      expect((await list(`user_id=${trader.userId.toUpperCase()}`, asker).expect(200)).body).toEqual(mine);
      await service.client().post(`/v1/users/${trader.userId}/suspend`, {}, admin.accessToken).expect(200);
      const { body } = await list(`user_id=${trader.userId}`, asker).expect(200);
      expect(body).toEqual(mine);
      const found = body.permissions.find(
        ({ permission }: { permission: string }) => permission === 'user:read',
      );
      expect(found.permission_id).toBe(id);
      await revoke(service, admin, found.permission_id).expect(204);
    });

    it('is nobody else’s to see without authz:check, and no account’s that is not there', async () => {
      const gone = await newSignedIn(service);
      await deleteAccount(service, gone.person.email);
      for (const userId of [admin.userId, gone.userId, newId()])
        await expectProblem(list(`user_id=${userId}`, trader), 403, 'permission_denied');
      for (const userId of [gone.userId, newId()])
        await expectProblem(list(`user_id=${userId}`, admin), 404, 'not_found');
      await list(`user_id=${trader.userId}`, trader).expect(200);
      for (const query of ['user_id=', 'user_id=me', `user_id=${newId()}&user_id=${newId()}`])
        await expectInvalid(list(query, admin), 'user_id');
    });

    it('is asked for without an example that Swagger UI would send', async () => {
      const { body } = await service.client().get('/openapi.json').expect(200);
      const [parameter] = body.paths[GRANTS].get.parameters;
      expect(parameter).toMatchObject({ name: 'user_id', in: 'query', required: false });
      expect(JSON.stringify(parameter)).not.toContain('example');
    });

    it('names the role or the grant of each, and its end', async () => {
      const end = new Date(Date.now() + HOUR);
      const first = await grant(service, admin, trader.userId, 'trading_account:view');
      const second = await grant(service, admin, trader.userId, 'user:read', end);
      const { body } = await service.client().get(GRANTS, trader.accessToken).expect(200);
      expect(body).toEqual({
        user_id: trader.userId,
        roles: ['trader'],
        permissions: [
          { permission: 'trading_account:link', source: 'role', role: 'trader' },
          { permission: 'trading_account:manage', source: 'role', role: 'trader' },
          { permission: 'trading_account:trade', source: 'role', role: 'trader' },
          { permission: 'trading_account:view', source: 'direct', permission_id: first, expires_at: null },
          { permission: 'trading_account:view', source: 'role', role: 'viewer' },
          { permission: 'user:read', source: 'direct', permission_id: second, expires_at: end.toISOString() },
        ],
      });
    });

    it('is as long for an administrator as all that there is', async () => {
      const { body } = await service.client().get(GRANTS, admin.accessToken).expect(200);
      const all = await service.db.query<{ name: string }[]>(`SELECT name FROM permissions ORDER BY name`);
      expect(body.permissions.map((item: { permission: string }) => item.permission)).toEqual(
        all.map(({ name }) => name),
      );
    });
  });
});
