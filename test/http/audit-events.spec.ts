import { newId } from '../../src/common/ids';
import { startService, TestService } from '../support/app';
import { addEvents, auditEvents, Happened } from '../support/audit-events';
import { newSignedIn, signIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID = /^[0-9a-f-]{36}$/;

type Query = Record<string, string | number>;

describe('GET /v1/audit/events', () => {
  let service: TestService;
  let me: SignedIn;
  let self: string;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    me = await newSignedIn(service);
    self = `user:${me.userId}`;
  });

  const list = (query: Query = {}) => auditEvents(service, me.accessToken, query);
  const read = async (query: Query = {}) => (await list(query).expect(200)).body;
  const ids = async (query: Query): Promise<string[]> =>
    ((await read(query)).events as { event_id: string }[]).map(({ event_id }) => event_id);

  /** Events of mine long ago, which nothing else gets among. */
  const past = (...events: Partial<Happened>[]): Promise<string[]> =>
    addEvents(service, ...events.map((event) => ({ at: '2020-05-01T00:00:00Z', subject: self, ...event })));
  const PAST = { end_date: '2021-01-01T00:00:00Z' };

  it('shows what has happened to me, newest first, and no more of it than is documented', async () => {
    const body = await read();
    expect(body).toEqual({
      events: expect.any(Array),
      total: 4,
      total_is_exact: true,
      limit: 100,
      offset: 0,
      has_more: false,
    });
    expect((body.events as { event_type: string }[]).map((event) => event.event_type).sort()).toEqual([
      'role.assigned',
      'session.created',
      'user.login',
      'user.registered',
    ]);
    const login = body.events.find((event: { event_type: string }) => event.event_type === 'user.login');
    expect(login).toEqual({
      event_id: expect.stringMatching(UUID),
      event_type: 'user.login',
      timestamp: expect.stringMatching(TIME),
      subject: self,
      actor: self,
      resource: null,
      data: { session_id: me.sessionId, method: 'password', second_factor: null, new_device: false },
      metadata: {
        request_id: expect.stringMatching(UUID),
        ip: expect.stringMatching(/^10\./),
        user_agent: 'test-browser/1.0',
      },
      priority: 'normal',
    });
  });

  it('shows an event as soon as it is committed, also what others try at my door', async () => {
    await service
      .client()
      .post('/v1/auth/login', { email: me.person.email, password: 'wrong' })
      .set('User-Agent', 'burglar/1.0')
      .expect(401);
    const { events } = await read({ limit: 1 });
    expect(events[0]).toMatchObject({
      event_type: 'login.failed',
      subject: self,
      actor: 'anonymous',
      priority: 'low',
      metadata: { user_agent: 'burglar/1.0', ip: expect.any(String) },
    });
    await signIn(service, me.person);
    expect((await read({ event_type: 'user.login' })).total).toBe(2);
  });

  it('names the trading account that an event is about', async () => {
    const resource = `trading_account:${newId()}`;
    const data = { reason: 'place order', fields: ['access_token'] };
    const robot = `user:${newId()}`;
    await past({ type: 'trading_account.credentials_read', actor: robot, resource, data });
    const { events } = await read(PAST);
    expect(events).toMatchObject([
      { event_type: 'trading_account.credentials_read', subject: self, actor: robot, resource, data },
    ]);
  });

  describe('filters', () => {
    const at = (day: number): string => `2020-05-0${day}T12:00:00Z`;
    let days: string[];
    beforeEach(async () => {
      days = await past(
        { at: at(1), type: 'user.login' },
        { at: at(2), type: 'user.logout' },
        { at: at(3), type: 'user.login' },
        { at: at(4), type: 'user.logout' },
        { at: at(5), type: 'user.login' },
      );
    });

    it.each<[Query, number[]]>([
      [{}, [5, 4, 3, 2, 1]],
      [{ event_type: 'user.login' }, [5, 3, 1]],
      [{ event_type: 'user.logout' }, [4, 2]],
      [{ event_type: 'mfa.enabled' }, []],
      [{ start_date: at(3) }, [5, 4, 3]],
      [{ start_date: '2020-05-03T12:00:00.001Z' }, [5, 4]],
      [{ end_date: at(3) }, [2, 1]],
      [{ end_date: '2020-05-03T12:00:00.001Z' }, [3, 2, 1]],
      [{ start_date: at(2), end_date: at(4) }, [3, 2]],
      [{ start_date: '2020-05-02T17:30:00+05:30', end_date: '2020-05-04T07:00:00-05:00' }, [3, 2]],
      [{ start_date: at(2), end_date: at(5), event_type: 'user.logout' }, [4, 2]],
      [{ start_date: at(3), event_type: 'user.login', limit: 1 }, [5]],
      [{ start_date: at(3), event_type: 'user.login', offset: 1 }, [3]],
      [{ start_date: '0000-01-01T00:00:00Z', end_date: at(2) }, [1]],
      [{ start_date: '1999-01-01T00:00:00Z', end_date: '1999-01-02T00:00:00Z' }, []],
    ])('by %j', async (query, expected) => {
      const { events, total, has_more } = await read({ ...PAST, ...query });
      expect(events.map((event: { event_id: string }) => days.indexOf(event.event_id) + 1)).toEqual(expected);
      if (query.limit === undefined && query.offset === undefined) expect(total).toBe(expected.length);
      expect(has_more).toBe(query.limit === 1);
    });

    it('by event_type, which is what it is or nothing', async () => {
      for (const event_type of ['', 'login', 'USER.LOGIN', 'user.login ', '%', 'toString']) {
        await expectInvalid(list({ event_type }), 'event_type');
      }
    });
  });

  it('shows what I did to others, once, and what others did to others never', async () => {
    const other = `user:${newId()}`;
    const [mine, both] = await past(
      { at: '2020-05-01T00:00:01Z', subject: other, actor: self },
      { at: '2020-05-01T00:00:00Z', subject: self, actor: self },
      { at: '2020-05-01T00:00:02Z', subject: other, actor: other },
      { at: '2020-05-01T00:00:03Z', subject: other, actor: 'system', resource: self },
      { at: '2020-05-01T00:00:04Z', subject: `${self}0`, actor: 'anonymous' },
    );
    expect(await ids(PAST)).toEqual([mine, both]);
    expect((await read(PAST)).total).toBe(2);
  });

  it('orders events of the same time by their ids, on both sides, and also over pages', async () => {
    const [other, at] = [`user:${newId()}`, '2020-05-01T00:00:00.123Z'];
    const added = await past(
      ...Array.from({ length: 20 }, (_, i) => ({ at, ...(i % 3 === 0 && { subject: other, actor: self }) })),
    );
    const expected = [...added].sort().reverse();
    expect(await ids(PAST)).toEqual(expected);
    const paged: string[] = [];
    for (let offset = 0; offset < 20; offset += 3) paged.push(...(await ids({ ...PAST, limit: 3, offset })));
    expect(paged).toEqual(expected);
    for (let i = 0; i < 20; i++) {
      expect(await ids({ ...PAST, after: expected[i]!, limit: 2 })).toEqual(expected.slice(i + 1, i + 3));
    }
  });

  it('goes on after an event whose time is finer than a reply tells', async () => {
    const other = `user:${newId()}`;
    const added = await past(
      ...Array.from({ length: 12 }, (_, i) => ({
        at: `2020-05-01T00:00:00.12345${Math.floor(i / 2)}Z`,
        ...(i % 3 === 0 && { subject: other, actor: self }),
      })),
    );
    const expected = added
      .map((id, i): [number, string] => [Math.floor(i / 2), id])
      .sort(([a, one], [b, two]) => b - a || (two < one ? -1 : 1))
      .map(([, id]) => id);
    expect(await ids(PAST)).toEqual(expected);
    for (const [i, after] of expected.entries())
      expect(await ids({ ...PAST, after })).toEqual(expected.slice(i + 1));
  });

  describe('pages', () => {
    let all: string[];
    beforeEach(async () => {
      const other = `user:${newId()}`;
      // Over months that have a partition and such that have none, several at a time, on both sides.
      const start = Date.now() - 86_400_000 * 60;
      const added = await past(
        ...Array.from({ length: 230 }, (_, i) => ({
          at: new Date(start + Math.floor(i / 4) * 86_400_000).toISOString(),
          type: i % 5 === 0 ? 'user.logout' : 'user.updated',
          ...(i % 7 === 0 && { subject: other, actor: self }),
        })),
      );
      const rows = await service.db.query<{ event_id: string }[]>(
        `SELECT event_id FROM events WHERE $1 IN (subject, actor) ORDER BY "timestamp" DESC, event_id DESC`,
        [self],
      );
      all = rows.map(({ event_id }) => event_id);
      expect(all.filter((id) => added.includes(id))).toHaveLength(230);
    });

    it.each([1, 50, 99, 100, 1000])('of %i have neither holes nor doubles with offset', async (limit) => {
      const seen: string[] = [];
      for (let offset = 0, more = true; more && offset < 4 * limit; offset += limit) {
        const body = await read({ limit, offset });
        expect([body.total, body.total_is_exact, body.limit, body.offset]).toEqual([
          234,
          true,
          limit,
          offset,
        ]);
        expect(body.has_more).toBe(offset + limit < 234);
        seen.push(...body.events.map((event: { event_id: string }) => event.event_id));
        more = body.has_more;
      }
      expect(seen).toEqual(all.slice(0, 4 * limit));
    });

    it('have neither with after, whatever happens meanwhile', async () => {
      const seen = await ids({ limit: 50 });
      for (let more = true; more;) {
        await past({ at: new Date(Date.now() + 1000).toISOString() });
        const body = await read({ limit: 50, after: seen.at(-1)! });
        seen.push(...body.events.map((event: { event_id: string }) => event.event_id));
        more = body.has_more;
      }
      expect(seen).toEqual(all);
    });

    it('go on after an event that the filter itself would not show', async () => {
      const logouts = await ids({ event_type: 'user.logout' });
      const rows = await read({ limit: 1000 });
      const types = new Map(
        (rows.events as { event_id: string; event_type: string }[]).map((e) => [e.event_id, e.event_type]),
      );
      const middle = all.findIndex((id, i) => i > 100 && types.get(id) !== 'user.logout');
      const rest = all.slice(middle + 1).filter((id) => types.get(id) === 'user.logout');
      expect(await ids({ event_type: 'user.logout', after: all[middle]! })).toEqual(rest);
      expect(logouts.slice(-rest.length)).toEqual(rest);
    });

    it('end where there is no more', async () => {
      expect(await read({ offset: 234 })).toMatchObject({ events: [], total: 234, has_more: false });
      expect(await read({ offset: 10_000 })).toMatchObject({ events: [], total: 234, has_more: false });
      expect(await read({ after: all.at(-1)! })).toMatchObject({ events: [], total: 234, has_more: false });
    });
  });

  it('counts exactly up to 10,000, says where it stopped, and is walked through to the end all the same', async () => {
    const count = 10_003;
    await service.db.query(
      `INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, data, metadata)
       SELECT gen_random_uuid(), 'user.updated', '2020-05-01T00:00:00Z'::timestamptz + n / 3 * interval '1 second', 'test',
         'normal', $1, $1, '{}', '{}'
       FROM generate_series(1, $2::int) AS n`,
      [self, count],
    );
    const size = async (query: Query) => {
      const { total, total_is_exact, has_more } = await read({ limit: 10, ...PAST, ...query });
      return [total, total_is_exact, has_more];
    };
    expect(await size({})).toEqual([10_000, false, true]);
    expect(await size({ offset: 10_000 })).toEqual([10_000, false, false]);
    expect(await size({ start_date: '2020-05-01T00:00:01Z' })).toEqual([10_000, false, true]);
    expect(await size({ start_date: '2020-05-01T00:00:02Z' })).toEqual([count - 5, true, true]);
    const seen = await ids({ ...PAST, limit: 1000 });
    while (seen.length < count) {
      const next = await ids({ ...PAST, limit: 1000, after: seen.at(-1)! });
      if (next.length === 0) break;
      seen.push(...next);
    }
    expect([seen.length, new Set(seen).size]).toEqual([count, count]);
  });

  it.each<[string, string]>([
    ['limit', '0'],
    ['limit', '1001'],
    ['limit', '1e2'],
    ['limit', ''],
    ['offset', '-1'],
    ['offset', '10001'],
    ['offset', 'x'],
    ['start_date', ''],
    ['start_date', '2020-05-01'],
    ['start_date', '2020-05-01T00:00:00'],
    ['start_date', 'yesterday'],
    ['start_date', '1588291200'],
    ['end_date', '2020-02-30T00:00:00Z'],
    ['end_date', '+12020-05-01T00:00:00Z'],
    ['after', ''],
    ['after', '1'],
    ['user_id', ''],
    ['user_id', 'me'],
    ['user_id', 'user:0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10'],
  ])('refuses %s as %j', (field, value) => expectInvalid(list({ [field]: value }), field));

  it('says what is wrong, and what to do instead', async () => {
    const errors = async (query: Query) => (await list(query).expect(422)).body.errors;
    expect(await errors({ offset: 10_001 })).toEqual([
      {
        field: 'offset',
        message: 'offset must not be greater than 10000: narrow the dates, or walk on with `after`',
      },
    ]);
    const [at, later] = ['2020-05-01T00:00:00Z', '2020-05-01T00:00:00.001Z'];
    for (const end_date of [at, '2020-05-01T05:29:59+05:30']) {
      expect(await errors({ start_date: at, end_date })).toEqual([
        { field: 'end_date', message: 'end_date must be after start_date' },
      ]);
    }
    await list({ start_date: at, end_date: later }).expect(200);
    const [mine, theirs] = await past({}, { subject: `user:${newId()}` });
    const notMine = [{ field: 'after', message: 'after must be the event_id of an event of this account' }];
    expect(await errors({ after: theirs! })).toEqual(notMine);
    expect(await errors({ after: newId() })).toEqual(notMine);
    expect(await errors({ after: mine!, offset: 1 })).toEqual([
      { field: 'offset', message: 'offset and after exclude each other' },
    ]);
    await list({ after: mine!.toUpperCase(), offset: 0 }).expect(200);
  });

  it('refuses a filter that comes twice', async () => {
    for (const field of ['limit', 'offset', 'event_type', 'start_date', 'end_date', 'after', 'user_id']) {
      const twice = service.client().get(`/v1/audit/events?${field}=1&${field}=2`, me.accessToken);
      await expectInvalid(twice, field);
    }
  });

  it('is for those who have signed in', async () => {
    await expectProblem(auditEvents(service, undefined), 401, 'not_authenticated');
    await expectProblem(auditEvents(service, 'x.y.z'), 401, 'invalid_access_token');
  });
});
