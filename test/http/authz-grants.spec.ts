import type { Response, Test } from 'supertest';
import { newId } from '../../src/common/ids';
import { deleteAccount, eventsOf } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { addRole, check, grant, GRANTS, newHolder, revoke } from '../support/authority';
import { newAdministrator, newSignedIn, newVerified, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { newServiceAccount } from '../support/services';

const HOUR = 3_600_000;
const SUPPORT = ['user:read', 'user:write', 'authz:check', 'authz:grant', 'trading_account:view'];
const TRADER = ['trading_account:link', 'trading_account:trade', 'trading_account:manage'];

describe('a direct grant', () => {
  let service: TestService;
  let admin: SignedIn;
  let trader: SignedIn;
  beforeAll(async () => {
    service = await startService();
    await addRole(service, 'support', [...SUPPORT, ...TRADER]);
    admin = await newAdministrator(service);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    trader = await newSignedIn(service);
  });

  const ask = (body: object, by = admin): Test => service.client().post(GRANTS, body, by.accessToken);
  const may = async (permission: string, who = trader): Promise<boolean> =>
    (await check(service, who.accessToken, permission)).allowed;
  const grantsOf = (userId: string) =>
    service.db.query<object[]>(
      `SELECT id, permission, granted_by, expires_at FROM user_permissions WHERE user_id = $1`,
      [userId],
    );

  it('is in force on the next check, and told to subscribers', async () => {
    expect(await may('user:read')).toBe(false);
    const expiresAt = new Date(Date.now() + HOUR).toISOString();
    const { body } = await ask({
      user_id: trader.userId,
      permission: 'user:read',
      expires_at: expiresAt,
    }).expect(201);
    expect(body).toEqual({
      permission_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      user_id: trader.userId,
      permission: 'user:read',
      granted_by: admin.userId,
      granted_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      expires_at: expiresAt,
    });
    expect(await may('user:read')).toBe(true);
    expect(await eventsOf(service, trader.userId, 'permission.granted')).toEqual([
      {
        type: 'permission.granted',
        actor: `user:${admin.userId}`,
        data: { permission_id: body.permission_id, permission: 'user:read', expires_at: expiresAt },
      },
    ]);
  });

  it('opens a route that asks for it, and its end closes the route to a token that is still good', async () => {
    trader = await newVerified(service);
    const open = () => service.client().post(GRANTS, {}, trader.accessToken);
    await expectProblem(open(), 403, 'permission_denied');
    const id = await grant(service, admin, trader.userId, 'authz:grant');
    await expectInvalid(open(), 'user_id', 'permission');
    await revoke(service, admin, id).expect(204);
    await expectProblem(open(), 403, 'permission_denied');
    await service.client().get('/v1/users/me', trader.accessToken).expect(200);
  });

  it('has no end unless one is given; null is none', async () => {
    const { body } = await ask({ user_id: trader.userId, permission: 'user:read', expires_at: null }).expect(
      201,
    );
    expect(body.expires_at).toBeNull();
    expect(await grantsOf(trader.userId)).toEqual([
      {
        id: body.permission_id,
        permission: 'user:read',
        granted_by: `user:${admin.userId}`,
        expires_at: null,
      },
    ]);
  });

  it('takes an id in any letter case, and ignores what it does not know', async () => {
    const more = { granted_by: trader.userId, permission_id: newId(), role: 'admin' };
    const { body } = await ask({
      user_id: trader.userId.toUpperCase(),
      permission: 'user:read',
      ...more,
    }).expect(201);
    expect(body).toMatchObject({ user_id: trader.userId, granted_by: admin.userId });
    expect(body.permission_id).not.toBe(more.permission_id);
  });

  it('that stands already is a 409 which names it; it is granted anew once it is revoked', async () => {
    const id = await grant(service, admin, trader.userId, 'user:read');
    const refused = await ask({ user_id: trader.userId, permission: 'user:read' }).expect(409);
    expect(refused.body).toMatchObject({ code: 'permission_already_granted', permission_id: id });
    await revoke(service, admin, refused.body.permission_id).expect(204);
    expect(await grant(service, admin, trader.userId, 'user:read')).not.toBe(id);
    expect(await eventsOf(service, trader.userId, 'permission.granted')).toHaveLength(2);
  });

  it('that has expired makes room for another', async () => {
    const id = await grant(service, admin, trader.userId, 'user:read', new Date(Date.now() + HOUR));
    await service.db.query(`UPDATE user_permissions SET expires_at = now() - interval '1 s' WHERE id = $1`, [
      id,
    ]);
    const next = await grant(service, admin, trader.userId, 'user:read');
    expect(await grantsOf(trader.userId)).toMatchObject([{ id: next, expires_at: null }]);
    await expectProblem(revoke(service, admin, id), 404, 'not_found');
    expect(await may('user:read')).toBe(true);
  });

  it.each<[string, object]>([
    ['permission', { permission: 'user:fly' }],
    ['permission', { permission: 'users' }],
    ['permission', { permission: undefined }],
    ['user_id', { user_id: 'me' }],
    ['user_id', { user_id: null }],
    ['expires_at', { expires_at: '2020-01-01T00:00:00Z' }],
    ['expires_at', { expires_at: '9999-12-31T23:59:59Z' }],
    ['expires_at', { expires_at: '2027-01-01' }],
    ['expires_at', { expires_at: '2027-01-01T00:00:00' }],
    ['expires_at', { expires_at: '2027-02-30T00:00:00Z' }],
    ['expires_at', { expires_at: '' }],
    ['expires_at', { expires_at: 4_102_444_800 }],
  ])('refuses a wrong %s: %j', async (field, change) => {
    await expectInvalid(ask({ user_id: trader.userId, permission: 'user:read', ...change }), field);
    expect(await grantsOf(trader.userId)).toEqual([]);
  });

  it('needs somebody to go to: an unknown and a deleted account are 404', async () => {
    await deleteAccount(service, trader.person.email);
    for (const userId of [newId(), trader.userId])
      await expectProblem(ask({ user_id: userId, permission: 'user:read' }), 404, 'not_found');
  });

  it('of 20 equal ones at once is made once', async () => {
    const body = { user_id: trader.userId, permission: 'user:read' };
    const replies: Response[] = await Promise.all(Array.from({ length: 20 }, () => ask(body)));
    const codes = replies.map(({ status, body }) => body.code ?? status).sort();
    expect(codes).toEqual([201, ...Array<string>(19).fill('permission_already_granted')]);
    expect(await eventsOf(service, trader.userId, 'permission.granted')).toHaveLength(1);
    expect(await may('user:read')).toBe(true);
  });

  describe('is taken back', () => {
    it('with the next check, and told to subscribers', async () => {
      const id = await grant(service, admin, trader.userId, 'user:read');
      expect(await may('user:read')).toBe(true);
      await revoke(service, admin, id.toUpperCase()).expect(204);
      expect(await may('user:read')).toBe(false);
      await expectProblem(revoke(service, admin, id), 404, 'not_found');
      expect(await eventsOf(service, trader.userId, 'permission.revoked')).toEqual([
        {
          type: 'permission.revoked',
          actor: `user:${admin.userId}`,
          data: { permission_id: id, permission: 'user:read' },
        },
      ]);
    });

    it('and leaves what a role gives', async () => {
      const id = await grant(service, admin, trader.userId, 'trading_account:view');
      await revoke(service, admin, id).expect(204);
      expect(await may('trading_account:view')).toBe(true);
    });

    it('once, by 20 calls at once', async () => {
      const id = await grant(service, admin, trader.userId, 'user:read');
      const replies: Response[] = await Promise.all(
        Array.from({ length: 20 }, () => revoke(service, admin, id)),
      );
      const codes = replies.map(({ status }) => status).sort();
      expect(codes).toEqual([204, ...Array<number>(19).fill(404)]);
      expect(await eventsOf(service, trader.userId, 'permission.revoked')).toHaveLength(1);
    });

    it.each(['x', '00000000-0000-0000-0000-000000000000', '%00', '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10'])(
      'not where there is none: %s',
      (id) => expectProblem(revoke(service, admin, id), 404, 'not_found'),
    );
  });

  describe('is no way up:', () => {
    let support: SignedIn;
    let admin2: SignedIn;
    beforeAll(async () => {
      support = await newAdministrator(service, 'support');
      admin2 = await newAdministrator(service);
    });

    const refused = async (body: object, by: SignedIn): Promise<void> => {
      await expectProblem(ask(body, by), 403, 'escalation_refused');
    };

    it('whoever lacks authz:grant grants and revokes nothing, not even of their own', async () => {
      const id = await grant(service, admin, trader.userId, 'user:read');
      const body = { user_id: newId(), permission: 'user:fly' };
      await expectProblem(ask(body, trader), 403, 'permission_denied');
      await expectProblem(revoke(service, trader, id), 403, 'permission_denied');
      await expectProblem(revoke(service, trader, newId()), 403, 'permission_denied');
    });

    it('nobody grants to themselves, what they hold or not', async () => {
      for (const who of [admin, support])
        for (const permission of ['user:read', 'audit:read'])
          await refused({ user_id: who.userId, permission }, who);
      expect(await grantsOf(admin.userId)).toEqual([]);
    });

    it('nobody grants what they do not hold', async () => {
      await refused({ user_id: trader.userId, permission: 'audit:read' }, support);
      expect(await may('audit:read')).toBe(false);
      await grant(service, support, trader.userId, 'user:read');
    });

    it('what lifts over others goes to nobody whose address is not proved, and is taken from them', async () => {
      for (const permission of ['user:write', 'authz:grant'])
        await expectProblem(ask({ user_id: trader.userId, permission }), 403, 'email_not_verified');
      expect(await grantsOf(trader.userId)).toEqual([]);
      expect(await eventsOf(service, trader.userId, 'permission.granted')).toEqual([]);
      await grant(service, admin, trader.userId, 'user:read');
      await grant(service, admin, await newServiceAccount(service), 'user:write');

      const verified = (at: string) =>
        service.db.query(`UPDATE users SET email_verified_at = ${at} WHERE id = $1`, [trader.userId]);
      await verified('now()');
      const id = await grant(service, admin, trader.userId, 'user:write');
      await verified('NULL');
      await revoke(service, admin, id).expect(204);
    });

    it('nobody changes somebody who holds more, suspended or not', async () => {
      await refused({ user_id: admin.userId, permission: 'user:read' }, support);
      const other = await newAdministrator(service);
      const id = await grant(service, admin, other.userId, 'user:read');
      await service.db.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [other.userId]);
      await refused({ user_id: other.userId, permission: 'user:write' }, support);
      await expectProblem(revoke(service, support, id), 403, 'escalation_refused');
      expect(await grantsOf(other.userId)).toHaveLength(1);
    });

    it('whoever may not leaves no fence in the cache, and no entry for a made-up id', async () => {
      const id = await grant(service, admin, admin2.userId, 'user:read');
      const fences = jest.spyOn(service.redis, 'fencePermissions');
      await refused({ user_id: admin2.userId, permission: 'user:read' }, support);
      await expectProblem(revoke(service, support, id), 403, 'escalation_refused');
      const unknown = newId();
      const body = { user_id: unknown, permission: 'user:read' };
      await expectProblem(ask(body, support), 404, 'not_found');
      await expectProblem(
        service.client().post('/v1/authz/check', body, support.accessToken),
        404,
        'not_found',
      );
      expect(fences).not.toHaveBeenCalled();
      fences.mockRestore();
      expect(await service.redis.exists(`authz:{${unknown}}`)).toBe(0);
    });

    it('nobody takes what they do not hold, nor what everybody has who signs up', async () => {
      const steward = await newHolder(service, SUPPORT);
      const trade = await grant(service, admin, trader.userId, 'trading_account:trade');
      await expectProblem(revoke(service, steward, trade), 403, 'escalation_refused');
      await refused({ user_id: trader.userId, permission: 'trading_account:link' }, steward);
      await ask({ user_id: trader.userId, permission: 'user:read' }, steward).expect(201);
    });

    it('nobody takes what they do not hold', async () => {
      const id = await grant(service, admin, trader.userId, 'audit:read');
      await expectProblem(revoke(service, support, id), 403, 'escalation_refused');
      expect(await may('audit:read')).toBe(true);
    });

    it('a grant that expired lifts nobody any more', async () => {
      const helper = await newHolder(service, SUPPORT);
      const id = await grant(service, admin, helper.userId, 'audit:read', new Date(Date.now() + HOUR));
      const to = await newHolder(service, []);
      const soon = new Date(Date.now() + HOUR / 2).toISOString();
      const body = { user_id: to.userId, permission: 'audit:read', expires_at: soon };
      await ask(body, helper).expect(201);
      await service.db.query(
        `UPDATE user_permissions SET expires_at = now() - interval '1 s' WHERE id = $1`,
        [id],
      );
      await service.redis.del(`authz:{${helper.userId}}`);
      await refused(body, helper);
    });

    it('nobody grants for longer than they hold it themselves', async () => {
      const helper = await newHolder(service, SUPPORT);
      const end = Date.now() + HOUR;
      await grant(service, admin, helper.userId, 'audit:read', new Date(end));
      const to = await newHolder(service, []);
      const until = (time: number | null) => ({
        user_id: to.userId,
        permission: 'audit:read',
        expires_at: time && new Date(time).toISOString(),
      });
      for (const time of [null, end + 1]) await refused(until(time), helper);
      await ask(until(end), helper).expect(201);
      await ask({ user_id: to.userId, permission: 'user:read' }, helper).expect(201);
    });

    it('from oneself anybody may take', async () => {
      const helper = await newHolder(service, SUPPORT);
      const id = await grant(service, admin, helper.userId, 'audit:read');
      await revoke(service, helper, id).expect(204);
      expect(await may('audit:read', helper)).toBe(false);
    });

    it('of a call that is refused nothing is left, and nothing told', async () => {
      await refused({ user_id: trader.userId, permission: 'audit:read' }, support);
      await expectProblem(
        ask({ user_id: trader.userId, permission: 'user:read' }, trader),
        403,
        'permission_denied',
      );
      expect(await grantsOf(trader.userId)).toEqual([]);
      expect(await eventsOf(service, trader.userId, 'permission.granted')).toEqual([]);
    });
  });
});
