import { newId } from '../../src/common/ids';
import { eventsOf, setStatus } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { addEvents, auditEvents } from '../support/audit-events';
import { newAdministrator, newSignedIn, newVerified, SignedIn, signIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { give, newKey, newServiceAccount, take, withKey } from '../support/services';

interface Item {
  event_id: string;
  event_type: string;
  subject: string;
  actor: string;
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
}

describe('the events of an account', () => {
  let service: TestService;
  let admin: SignedIn;
  let somebody: SignedIn;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    somebody = await newVerified(service);
  });

  const list = (reader: SignedIn, query: Record<string, string | number> = {}) =>
    auditEvents(service, reader.accessToken, query);
  const read = async (reader: SignedIn, query: Record<string, string | number> = {}): Promise<Item[]> =>
    (await list(reader, query).expect(200)).body.events;
  const types = (events: Item[]): string[] => events.map(({ event_type }) => event_type);
  const looks = () => eventsOf(service, somebody.userId, 'audit.read');
  const administer = (what: string, body: object = {}) =>
    service.client().post(`/v1/users/${somebody.userId}/${what}`, body, admin.accessToken).expect(200);

  describe('asked for by somebody else', () => {
    it('are not there for those who lack audit:read, whether there is such an account or not', async () => {
      const trader = await newSignedIn(service);
      for (const user_id of [somebody.userId, newId(), admin.userId]) {
        await expectProblem(list(trader, { user_id }), 404, 'not_found');
        // Nothing else of the call is looked at first.
        await expectProblem(list(trader, { user_id, after: newId(), offset: 1 }), 404, 'not_found');
      }
      expect(await looks()).toEqual([]);
      expect(await eventsOf(service, admin.userId, 'audit.read')).toEqual([]);
    });

    it('can be read with audit:read alone, as long as one holds it', async () => {
      const auditor = await newSignedIn(service);
      await give(service, auditor.userId, 'audit:read');
      const events = await read(auditor, { user_id: somebody.userId.toUpperCase() });
      expect(types(events).sort()).toEqual([
        'role.assigned',
        'session.created',
        'user.email_verified',
        'user.login',
        'user.registered',
      ]);
      await take(service, auditor.userId, 'audit:read');
      await expectProblem(list(auditor, { user_id: somebody.userId }), 404, 'not_found');
      expect(await looks()).toHaveLength(1);
    });

    it('are an event each time, which that person sees, but not from where it was done', async () => {
      const query = { event_type: 'user.login', start_date: '2020-05-01T05:30:00+05:30', limit: 1 };
      await read(admin, { user_id: somebody.userId, ...query });
      await read(admin, { user_id: somebody.userId, offset: 2, end_date: '2100-01-01T00:00:00Z' });
      const actor = `user:${admin.userId}`;
      const seen = await read(somebody, { event_type: 'audit.read' });
      expect(seen).toMatchObject([
        { actor, data: { event_type: null, start_date: null, end_date: '2100-01-01T00:00:00.000Z' } },
        {
          actor,
          subject: `user:${somebody.userId}`,
          priority: 'high',
          data: { event_type: 'user.login', start_date: '2020-05-01T00:00:00.000Z', end_date: null },
        },
      ]);
      for (const { metadata } of seen) expect(metadata).toEqual({ request_id: expect.any(String) });
      // Among what the reader did, too.
      const [done] = await read(admin, { event_type: 'audit.read', limit: 1 });
      expect(done!.event_id).toBe(seen[0]!.event_id);
    });

    it('are no event where nothing is shown', async () => {
      await expectProblem(list(admin, { user_id: newId() }), 404, 'not_found');
      await expectInvalid(list(admin, { user_id: somebody.userId, limit: 0 }), 'limit');
      await expectInvalid(list(admin, { user_id: somebody.userId, after: newId() }), 'after');
      const dates = { start_date: '2020-01-02T00:00:00Z', end_date: '2020-01-01T00:00:00Z' };
      await expectInvalid(list(admin, { user_id: somebody.userId, ...dates }), 'end_date');
      expect(await looks()).toEqual([]);
    });

    it('are walked through with after, without holes or doubles, though each look adds one', async () => {
      const subject = `user:${somebody.userId}`;
      await addEvents(
        service,
        ...Array.from({ length: 20 }, (_, i) => ({ subject, at: `2020-05-01T00:00:${10 + i}Z` })),
      );
      const before = await service.db.query<{ event_id: string }[]>(
        'SELECT event_id FROM events WHERE subject = $1 ORDER BY "timestamp" DESC, event_id DESC',
        [subject],
      );
      const seen: string[] = [];
      for (let more = true; more;) {
        const after = seen.at(-1);
        const query = { user_id: somebody.userId, limit: 7, ...(after !== undefined && { after }) };
        const { body } = await list(admin, query).expect(200);
        seen.push(...(body.events as Item[]).map(({ event_id }) => event_id));
        more = body.has_more;
      }
      expect(seen).toEqual(before.map(({ event_id }) => event_id));
      expect((await looks()).length).toBe(4);
    });

    it('are recorded by twenty readers at once, each look once', async () => {
      const replies = await Promise.all(
        Array.from({ length: 20 }, () => list(admin, { user_id: somebody.userId }).expect(200)),
      );
      expect(replies).toHaveLength(20);
      expect(await looks()).toHaveLength(20);
    });

    it.each(['suspended', 'deactivated'] as const)('are there while the account is %s', async (status) => {
      await setStatus(service, somebody.person.email, status);
      expect(types(await read(admin, { user_id: somebody.userId }))).toContain('user.login');
    });

    it('outlive the account, and what it was called', async () => {
      await service.client().delete(`/v1/users/${somebody.userId}`, admin.accessToken).expect(200);
      expect(types(await read(admin, { user_id: somebody.userId }))).toContain('user.deleted');
      await service.db.query(
        `UPDATE users SET email = NULL, name = 'Deleted user', purged_at = now() WHERE id = $1`,
        [somebody.userId],
      );
      await service.db.query('DELETE FROM event_personal_data WHERE user_id = $1', [somebody.userId]);
      const events = await read(admin, { user_id: somebody.userId });
      expect(types(events).slice(0, 1)).toEqual(['audit.read']);
      const login = events.find(({ event_type }) => event_type === 'user.login');
      expect(login).toMatchObject({
        subject: `user:${somebody.userId}`,
        metadata: { request_id: expect.any(String) },
      });
      expect(Object.keys(login!.metadata)).toEqual(['request_id']);
    });
  });

  it('are the own ones where one names oneself, which is no event', async () => {
    const body = { ...(await list(somebody).expect(200)).body };
    expect((await list(somebody, { user_id: somebody.userId.toUpperCase() }).expect(200)).body).toEqual(body);
    await read(admin, { user_id: admin.userId });
    expect(await looks()).toEqual([]);
    expect(await eventsOf(service, admin.userId, 'audit.read')).toEqual([]);
  });

  it('tell what an administrator did, who, and neither why nor from where; with audit:read all of it', async () => {
    await administer('suspend', { reason: 'Chargeback under investigation' });
    await administer('reactivate');
    somebody = await signIn(service, somebody.person);
    const suspended = (reader: SignedIn, more = {}) =>
      read(reader, { event_type: 'user.suspended', limit: 1, ...more }).then(([event]) => event!);
    const shown = await suspended(somebody);
    expect(shown).toMatchObject({
      subject: `user:${somebody.userId}`,
      actor: `user:${admin.userId}`,
      data: {},
    });
    expect(shown.data).toEqual({});
    expect(shown.metadata).toEqual({ request_id: expect.any(String) });
    for (const whole of [
      await suspended(admin, { user_id: somebody.userId }),
      // The administrator's own deed.
      await suspended(admin),
    ]) {
      expect(whole.data).toEqual({ reason: 'Chargeback under investigation' });
      expect(whole.metadata).toMatchObject({
        ip: expect.stringMatching(/^10\./),
        user_agent: 'test-browser/1.0',
      });
    }
    await give(service, somebody.userId, 'audit:read');
    expect((await suspended(somebody)).data).toEqual({ reason: 'Chargeback under investigation' });
    expect((await suspended(somebody)).metadata).toHaveProperty('ip');
  });

  it('hide the reason of a suspension whoever suspended', async () => {
    const [at, subject] = ['2020-05-01T00:00:00Z', `user:${somebody.userId}`];
    const [id] = await addEvents(service, {
      at,
      subject,
      actor: 'system',
      type: 'user.suspended',
      data: { reason: 'x' },
    });
    const [event] = await read(somebody, { event_type: 'user.suspended' });
    expect([event!.event_id, event!.data]).toEqual([id, {}]);
  });

  it('show people their own address also in what they did to others', async () => {
    const owner = await newSignedIn(service);
    await addEvents(service, {
      at: '2020-05-01T00:00:00Z',
      subject: `user:${owner.userId}`,
      actor: `user:${somebody.userId}`,
      metadata: { ip: '203.0.113.7', user_agent: 'x', request_id: 'r' },
    });
    const whole = { ip: '203.0.113.7', user_agent: 'x', request_id: 'r' };
    expect((await read(somebody)).at(-1)!.metadata).toEqual(whole);
    expect((await read(owner)).at(-1)!.metadata).toEqual({ request_id: 'r' });
  });

  it('are for nobody whose session is over', async () => {
    await administer('suspend');
    await expectProblem(list(somebody), 401, 'invalid_access_token');
    const auditor = await newVerified(service);
    await give(service, auditor.userId, 'audit:read');
    await setStatus(service, auditor.person.email, 'suspended');
    await service.client().post('/v1/auth/logout', { all_devices: true }, auditor.accessToken);
    await expectProblem(list(auditor, { user_id: somebody.userId }), 401, 'invalid_access_token');
  });

  it('are denied to an auditor who was suspended a moment ago, on every instance', async () => {
    const other = await service.another();
    try {
      const auditor = await newVerified(service);
      await give(service, auditor.userId, 'audit:read');
      const ask = () => auditEvents(other, auditor.accessToken, { user_id: somebody.userId });
      await ask().expect(200);
      await service.client().post(`/v1/users/${auditor.userId}/suspend`, {}, admin.accessToken).expect(200);
      await expectProblem(ask(), 401, 'invalid_access_token');
    } finally {
      await other.stop();
    }
  });

  describe('with an API key', () => {
    let robot: string;
    const withPermissions = async (...permissions: string[]) => {
      const { apiKey, keyId } = await newKey(service, admin, robot, permissions);
      const ask = (query = {}) => withKey(auditEvents(service, undefined, query), apiKey);
      return { ask, keyId };
    };
    beforeEach(async () => {
      robot = await newServiceAccount(service, 'authz:check', 'audit:read');
    });

    it('are those of the account that it stands for', async () => {
      const { ask, keyId } = await withPermissions('authz:check');
      const { body } = await ask().expect(200);
      expect(body.events).toMatchObject([
        { event_type: 'api_key.created', subject: `user:${robot}`, data: { api_key_id: keyId } },
      ]);
      // Who made it has an address, which the key was not made to see.
      expect(body.events[0].metadata).toEqual({ request_id: expect.any(String) });
      expect((await ask({ user_id: robot }).expect(200)).body.total).toBe(1);
    });

    it('are those of others only if it names audit:read, and its account holds it', async () => {
      const { ask: without } = await withPermissions('authz:check');
      await expectProblem(without({ user_id: somebody.userId }), 404, 'not_found');
      const { ask, keyId } = await withPermissions('audit:read');
      expect((await ask({ user_id: somebody.userId }).expect(200)).body.events[0].metadata).toHaveProperty(
        'ip',
      );
      await expectProblem(ask({ user_id: newId() }), 404, 'not_found');
      const [look] = await read(admin, { user_id: somebody.userId, event_type: 'audit.read' });
      expect(look).toMatchObject({ actor: `user:${robot}`, metadata: { api_key_id: keyId } });
      await take(service, robot, 'audit:read');
      await expectProblem(ask({ user_id: somebody.userId }), 404, 'not_found');
      await ask().expect(200);
    });

    it('are nobody’s once it is revoked, or its account suspended', async () => {
      const { ask, keyId } = await withPermissions('authz:check');
      const { ask: another } = await withPermissions('authz:check');
      await service.client().delete(`/v1/api-keys/${keyId}`, admin.accessToken).expect(204);
      await expectProblem(ask(), 401, 'invalid_api_key');
      await service.client().post(`/v1/users/${robot}/suspend`, {}, admin.accessToken).expect(200);
      await expectProblem(another(), 401, 'invalid_api_key');
    });
  });
});
