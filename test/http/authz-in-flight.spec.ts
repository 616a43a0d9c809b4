import type { Test } from 'supertest';
import { startService, TestService } from '../support/app';
import { giveUntil, grant, GRANTS, heldUp, newHolder, setRoles } from '../support/authority';
import { newAdministrator, SignedIn } from '../support/people';
import { give, keysOf, newKey, newServiceAccount, take, withKey } from '../support/services';

const HOLDINGS = ['user:read', 'user:write', 'authz:grant'];

/** What one change needs, and how it is asked for. */
interface Change {
  userId: string;
  ask: (request: (test: Test) => Test) => Test;
}

describe('whoever loses what a change takes, while it waits for the account’s row,', () => {
  let service: TestService;
  let admin: SignedIn;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
  });
  afterAll(() => service.stop());

  const target = async (): Promise<string> => newServiceAccount(service, 'user:read');
  const plain = (ask: (userId: string) => Test) => async (): Promise<Change> => {
    const userId = await target();
    return { userId, ask: (as) => as(ask(userId)) };
  };
  const user = (userId: string, rest = '') => `/v1/users/${userId}${rest}`;
  const client = () => service.client();

  const changes: Record<string, () => Promise<Change>> = {
    'PUT roles': plain((id) => client().put(user(id, '/roles'), { roles: ['viewer'] })),
    'POST grant': plain((id) => client().post(GRANTS, { user_id: id, permission: 'user:write' })),
    'DELETE grant': async () => {
      const userId = await newServiceAccount(service);
      const id = await grant(service, admin, userId, 'user:read');
      return { userId, ask: (as) => as(client().delete(`${GRANTS}/${id}`)) };
    },
    'POST key': plain((id) => client().post(keysOf(id), { name: 'x', permissions: ['user:read'] })),
    'DELETE key': async () => {
      const userId = await target();
      const { keyId } = await newKey(service, admin, userId, ['user:read']);
      return { userId, ask: (as) => as(client().delete(`/v1/api-keys/${keyId}`)) };
    },
    'PATCH user': plain((id) => client().patch(user(id), { name: 'Somebody else' })),
    'DELETE user': plain((id) => client().delete(user(id))),
    'POST suspend': plain((id) => client().post(user(id, '/suspend'), {})),
    'POST reactivate': async () => {
      const userId = await target();
      await client().post(user(userId, '/suspend'), {}, admin.accessToken).expect(200);
      return { userId, ask: (as) => as(client().post(user(userId, '/reactivate'))) };
    },
    'POST mfa/reset': plain((id) => client().post(user(id, '/mfa/reset'))),
    'DELETE sessions': plain((id) => client().delete(user(id, '/sessions'))),
  };
  const names = Object.keys(changes);
  const SESSION_ONLY = ['POST key'];

  /** All that is kept of an account. */
  const stateOf = (userId: string) =>
    service.db.query<object[]>(
      `SELECT to_jsonb(users) AS account,
              ARRAY(SELECT role FROM user_roles WHERE user_id = id) AS roles,
              ARRAY(SELECT to_jsonb(held) FROM user_permissions AS held WHERE user_id = users.id ORDER BY held.id) AS grants,
              ARRAY(SELECT to_jsonb(key) FROM api_keys AS key WHERE user_id = users.id ORDER BY key.id) AS keys,
              ARRAY(SELECT event_id FROM events WHERE subject = 'user:' || id ORDER BY event_id) AS events
       FROM users WHERE id = $1`,
      [userId],
    );
  const suspend = (userId: string) =>
    client().post(user(userId, '/suspend'), {}, admin.accessToken).expect(200);
  const demote = (who: SignedIn) => setRoles(service, admin, who.userId, []).expect(200);

  async function refused(
    change: Change,
    as: (test: Test) => Test,
    loss: () => Promise<unknown>,
  ): Promise<void> {
    const before = await stateOf(change.userId);
    const { status, body } = await heldUp(service, change.userId, () => change.ask(as), loss);
    expect([status, body.code]).toEqual([403, 'permission_denied']);
    expect(await stateOf(change.userId)).toEqual(before);
  }
  const bearer =
    ({ accessToken }: SignedIn) =>
    (test: Test) =>
      test.set('Authorization', `Bearer ${accessToken}`);

  describe.each(names)('%s', (name) => {
    it('changes nothing: suspended, or demoted', async () => {
      for (const loss of [(who: SignedIn) => suspend(who.userId), demote]) {
        const rogue = await newAdministrator(service);
        await refused(await changes[name]!(), bearer(rogue), async () => loss(rogue));
      }
    });

    it('goes through for whoever keeps it', async () => {
      const change = await changes[name]!();
      const reply = await heldUp(
        service,
        change.userId,
        () => change.ask(bearer(admin)),
        async () => {},
      );
      // It got as far as the second factor, which a service has not.
      expect(name === 'POST mfa/reset' ? [409] : [200, 201, 204]).toContain(reply.status);
    });
  });

  describe.each(names.filter((name) => !SESSION_ONLY.includes(name)))('%s with an API key', (name) => {
    it('changes nothing: a key that is revoked, or whose service is suspended or loses a grant', async () => {
      const losses: ((robot: string, keyId: string) => Promise<unknown>)[] = [
        async (_robot, keyId) => client().delete(`/v1/api-keys/${keyId}`, admin.accessToken).expect(204),
        async (robot) => suspend(robot),
        async (robot) => Promise.all(['user:write', 'authz:grant'].map((held) => take(service, robot, held))),
      ];
      for (const loss of losses) {
        const robot = await newServiceAccount(service, ...HOLDINGS);
        const { apiKey, keyId } = await newKey(service, admin, robot, HOLDINGS);
        await refused(
          await changes[name]!(),
          (test) => withKey(test, apiKey),
          () => loss(robot, keyId),
        );
      }
    });
  });

  it('as one whose grant comes to its end meanwhile, gives nothing', async () => {
    const temp = await newHolder(service, ['user:read']);
    await giveUntil(service, temp.userId, 'authz:grant', new Date(Date.now() + 3_600_000));
    const change = await changes['POST grant']!();
    const until = `UPDATE user_permissions SET expires_at = now() WHERE user_id = $1`;
    await refused(change, bearer(temp), () => service.db.query(until, [temp.userId]));
  });

  it('and keeps what let the call in, is judged by what is left', async () => {
    const userId = await target();
    const helper = await newHolder(service, ['user:write']);
    await give(service, helper.userId, 'user:read');
    const ask = () => client().patch(user(userId), { name: 'x' }, helper.accessToken);
    const { body } = await heldUp(service, userId, ask, () => take(service, helper.userId, 'user:read'));
    expect(body.code).toBe('escalation_refused');
  });
});
