import request from 'supertest';
import { startService, TestService } from '../support/app';
import { addEvents, eventsOfCsv, exportsOf, parseCsv, ShownEvent } from '../support/audit-exports';
import { passLimitWindows } from '../support/limit-windows';
import { newAdministrator, newSignedIn, SignedIn, signIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { newKey, newServiceAccount, withKey } from '../support/services';

const HOUR = 3_600_000;
const COLUMNS = 'event_id event_type timestamp priority subject actor resource data metadata'.split(' ');

describe('exports of audit events', () => {
  let service: TestService;
  let person: SignedIn;
  beforeAll(async () => {
    service = await startService({ RATELIMIT_AUDIT_EXPORTS: '10', PUBLIC_URL: 'https://id.test/' });
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = await newSignedIn(service);
  });

  describe('POST /v1/audit/export', () => {
    it('makes a file of all that the query shows, and tells where it is', async () => {
      const mine = exportsOf(service, person);
      const shown = await mine.shown();
      expect(shown.length).toBeGreaterThanOrEqual(3);
      const { body: made, headers } = await mine.create({ format: 'json' }).expect(201);
      expect(headers['cache-control']).toBe('no-store');
      expect(made).toEqual({
        export_id: expect.any(String),
        format: 'json',
        status: 'ready',
        written_events: shown.length,
        total_events: shown.length,
        truncated: false,
        filters: { event_type: null, start_date: null, end_date: null },
        created_at: expect.any(String),
        expires_at: new Date(Date.parse(made.created_at) + 24 * HOUR).toISOString(),
        download_url: `https://id.test/v1/audit/export/${made.export_id}`,
      });
      const { body: file } = await mine.get(made.export_id).expect(200);
      expect(file).toEqual({
        export_id: made.export_id,
        created_at: made.created_at,
        filters: made.filters,
        total_events: shown.length,
        truncated: false,
        events: shown,
      });
      const [event] = (await mine.shown('&event_type=audit.exported')) as [ShownEvent];
      expect(event).toMatchObject({
        actor: `user:${person.userId}`,
        resource: `audit_export:${made.export_id}`,
        priority: 'high',
        data: { export_id: made.export_id, format: 'json', total_events: shown.length, truncated: false },
      });
    });

    it('makes the same file as CSV', async () => {
      const mine = exportsOf(service, person);
      const shown = await mine.shown();
      const { made, file } = await mine.make({ format: 'csv' });
      expect(parseCsv(file.text)[0]).toEqual(COLUMNS);
      expect(eventsOfCsv(file.text)).toEqual(shown);
      expect(file.text).not.toContain('\ufeff');
      expect(file.headers).toMatchObject({
        'content-type': 'text/csv; charset=utf-8; header=present',
        'content-disposition': `attachment; filename="audit-events-${made.created_at.slice(0, 10)}-${made.export_id}.csv"`,
        'content-length': String(Buffer.byteLength(file.text)),
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      });
    });

    it('takes the filters of the query', async () => {
      await signIn(service, person.person);
      await addEvents(service, person.userId, 10);
      const mine = exportsOf(service, person);
      const middle = (await mine.shown())[6]!.timestamp;
      for (const [filter, query] of [
        [{ event_type: 'user.login' }, '&event_type=user.login'],
        [{ start_date: middle }, `&start_date=${middle}`],
        [{ end_date: middle }, `&end_date=${middle}`],
        [
          { event_type: 'session.created', start_date: middle, end_date: '2099-01-01T00:00:00+05:30' },
          `&event_type=session.created&start_date=${middle}&end_date=2099-01-01T00:00:00%2B05:30`,
        ],
      ] as const) {
        const shown = (await mine.shown(query)).filter(({ event_type }) => event_type !== 'audit.exported');
        const { made, file } = await mine.make({ format: 'json', ...filter });
        const events = (file.body.events as ShownEvent[]).filter(
          ({ event_type }) => event_type !== 'audit.exported',
        );
        expect(events).toEqual(shown);
        expect(made.total_events).toBe(file.body.events.length);
        expect(file.body.filters).toMatchObject(
          'event_type' in filter ? { event_type: filter.event_type } : {},
        );
      }
    });

    it('makes a file without events where there are none', async () => {
      const mine = exportsOf(service, person);
      const none = { start_date: '2001-01-01T00:00:00Z', end_date: '2001-01-02T00:00:00Z' };
      const json = await mine.make({ format: 'json', ...none });
      expect(json.made).toMatchObject({ status: 'ready', total_events: 0, truncated: false });
      expect(json.file.body).toMatchObject({ total_events: 0, events: [] });
      const csv = await mine.make({ format: 'csv', ...none });
      expect(csv.file.text).toBe(`${COLUMNS.join(',')}\r\n`);
    });

    it.each<[string, object]>([
      ['format', {}],
      ['format', { format: 'xml' }],
      ['format', { format: null }],
      ['format', { format: ['json'] }],
      ['event_type', { format: 'json', event_type: 'user.unheard_of' }],
      ['event_type', { format: 'json', event_type: 7 }],
      ['start_date', { format: 'json', start_date: '2026-11-01' }],
      ['end_date', { format: 'json', end_date: 'tomorrow' }],
      ['end_date', { format: 'json', start_date: '2026-11-02T00:00:00Z', end_date: '2026-11-01T00:00:00Z' }],
    ])('refuses a wrong %s: %j', async (field, body) => {
      await expectInvalid(exportsOf(service, person).create(body), field);
    });

    it('exports nobody else, whoever is asked for', async () => {
      const other = await newSignedIn(service);
      const { file } = await exportsOf(service, person).make({ format: 'json', user_id: other.userId });
      expect(file.text).not.toContain(other.userId);
      expect(file.text).toContain(person.userId);
    });

    it('takes a session', async () => {
      const admin = await newAdministrator(service);
      const owner = await newServiceAccount(service, 'audit:read');
      const { apiKey } = await newKey(service, admin, owner, ['audit:read']);
      const made = await exportsOf(service, admin).make({ format: 'json' });
      const client = service.client();
      for (const call of [
        client.post('/v1/audit/export', { format: 'json' }),
        client.get('/v1/audit/exports'),
        client.get(`/v1/audit/export/${made.made.export_id}`),
      ])
        await expectProblem(withKey(call, apiKey), 403, 'session_required');
      await expectProblem(client.post('/v1/audit/export', { format: 'json' }), 401, 'not_authenticated');
      await expectProblem(client.get('/v1/audit/exports'), 401, 'not_authenticated');
      await expectProblem(client.get(`/v1/audit/export/${made.made.export_id}`), 401, 'not_authenticated');
    });

    it('counts in a window, together on all instances, what was made and nothing else', async () => {
      const other = await service.another();
      try {
        await expectInvalid(exportsOf(service, person).create({ format: 'xml' }), 'format');
        const replies = await Promise.all(
          Array.from({ length: 14 }, (_, i) =>
            exportsOf(i % 2 ? service : other, person).create({ format: 'csv' }),
          ),
        );
        expect(replies.filter(({ status }) => status === 201)).toHaveLength(10);
        const refused = replies.filter(({ status }) => status === 429);
        expect(refused.map(({ body }) => body.code)).toEqual(Array(4).fill('rate_limited'));
        expect(Number(refused[0]!.headers['retry-after'])).toBeGreaterThan(3500);
        await exportsOf(service, await newSignedIn(service))
          .create({ format: 'csv' })
          .expect(201);
        await passLimitWindows(service);
        await exportsOf(service, person).create({ format: 'csv' }).expect(201);
        const { body } = await exportsOf(service, person).list().expect(200);
        expect(body.total).toBe(11);
        for (const { export_id: id } of body.items) await exportsOf(other, person).file(id);
      } finally {
        await other.stop();
      }
    });
  });

  describe('GET /v1/audit/export/{export_id}', () => {
    it('is for its owner alone, by every verb', async () => {
      const { made } = await exportsOf(service, person).make({ format: 'json' });
      const path = `/v1/audit/export/${made.export_id}`;
      const admin = await newAdministrator(service);
      for (const { accessToken } of [await newSignedIn(service), admin]) {
        const client = service.client();
        for (const call of [
          client.get(path, accessToken),
          client.delete(path, accessToken),
          client.put(path, {}, accessToken),
          client.patch(path, {}, accessToken),
          client.post(path, {}, accessToken),
        ])
          await expectProblem(call, 404, 'not_found');
        const head = await request(service.url).head(path).set('Authorization', `Bearer ${accessToken}`);
        expect(head.status).toBe(404);
        const { body } = await client.get('/v1/audit/exports', accessToken).expect(200);
        expect(body.items).toEqual([]);
      }
      const unknown = path.replace(/.{12}$/, '000000000000');
      await expectProblem(service.client().get(unknown, person.accessToken), 404, 'not_found');
      await expectProblem(service.client().get('/v1/audit/export/x', person.accessToken), 404, 'not_found');
    });

    it.each(['json', 'csv'])('answers HEAD as it would GET, for %s', async (format) => {
      const { made, file } = await exportsOf(service, person).make({ format });
      const head = await request(service.url)
        .head(`/v1/audit/export/${made.export_id}`)
        .set('Authorization', `Bearer ${person.accessToken}`)
        .expect(200);
      expect(head.text ?? '').toBe('');
      for (const name of ['content-type', 'content-length', 'content-disposition', 'cache-control'])
        expect([name, head.headers[name]]).toEqual([name, file.headers[name]]);
    });

    it('finds nothing after 24 hours, and until then also twice', async () => {
      const mine = exportsOf(service, person);
      const { made, file } = await mine.make({ format: 'csv' });
      service.advance(24 * HOUR - 60_000);
      const again = await signIn(service, person.person);
      const later = exportsOf(service, again);
      expect((await later.file(made.export_id)).text).toBe(file.text);
      service.advance(60_001);
      const [path, { accessToken }] = [`/v1/audit/export/${made.export_id}`, again];
      await expectProblem(service.client().get(path, accessToken), 404, 'not_found');
      expect((await later.list().expect(200)).body.total).toBe(0);
      const head = await request(service.url).head(path).set('Authorization', `Bearer ${accessToken}`);
      expect(head.status).toBe(404);
    });
  });

  describe('GET /v1/audit/exports', () => {
    it('lists the own ones, newest first, page by page', async () => {
      const mine = exportsOf(service, person);
      const ids: string[] = [];
      for (const format of ['json', 'csv', 'json']) ids.unshift((await mine.make({ format })).made.export_id);
      const { body } = await mine.list('?limit=2').expect(200);
      expect(body).toMatchObject({ total: 3, limit: 2, offset: 0, has_more: true });
      const rest = (await mine.list('?limit=2&offset=2').expect(200)).body;
      expect(rest).toMatchObject({ total: 3, limit: 2, offset: 2, has_more: false });
      const items = [...body.items, ...rest.items];
      expect(items.map(({ export_id }) => export_id)).toEqual(ids);
      expect(items.map(({ status }) => status)).toEqual(['ready', 'ready', 'ready']);
      await expectInvalid(mine.list('?limit=0'), 'limit');
    });
  });
});
