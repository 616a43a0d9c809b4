import { hashSync as bcryptHash } from 'bcrypt';
import { randomBytes } from 'node:crypto';
import request from 'supertest';
import { newId } from '../src/common/ids';
import { setPasswordHash } from './support/account-rows';
import { eventually, startService, TestService } from './support/app';
import { newPerson, newSignedIn, PASSWORD, register } from './support/people';
import { growthDuring, Scrape } from './support/prometheus-text';
import { exchange, rawRequest } from './support/raw-http';

const REQUESTS = 'user_service_http_request_duration_seconds_count';
const HASHES = 'user_service_password_hash_duration_seconds_count';

describe('/metrics', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({
      DATABASE_POOL_SIZE: '2',
      DATABASE_MAX_OVERFLOW: '0',
    });
  });
  afterAll(() => service.stop());

  const grows = (work: () => PromiseLike<unknown>) => growthDuring(service, work);
  const login = (email: string, password = PASSWORD, client = service.client()) =>
    client.post('/v1/auth/login', { email, password });

  describe('of requests', () => {
    it('count each by method, route template and status, with its duration', async () => {
      const { accessToken, sessionId } = await newSignedIn(service);
      const grown = await grows(async () => {
        await service.client().get('/v1/users/me', accessToken).expect(200);
        await service.client().get('/v1/users/me').expect(401);
        await service.client().delete(`/v1/auth/sessions/${sessionId}`, accessToken).expect(204);
      });
      expect(grown(REQUESTS, { method: 'GET', route: '/v1/users/me', status: '200' })).toBe(1);
      expect(grown(REQUESTS, { method: 'GET', route: '/v1/users/me', status: '401' })).toBe(1);
      const route = '/v1/auth/sessions/:session_id';
      expect(grown(REQUESTS, { method: 'DELETE', route, status: '204' })).toBe(1);
      const [bucket] = (await Scrape.of(service)).series(REQUESTS.replace('_count', '_bucket'), {
        method: 'DELETE',
        route,
        le: '5',
      });
      expect(bucket!.value).toBe(1);
    });

    it('are one series where there is no such route, whatever the path and the method', async () => {
      const before = await Scrape.of(service);
      for (const path of ['/nothing', '/v1/users/me/x', '/wp-login.php', '/%zz', '/v1/users/%E0%A4%A']) {
        expect((await exchange(service.url, rawRequest('GET', path))).status).toBeLessThan(500);
      }
      for (const method of ['PROPFIND', 'SEARCH', 'TRACE', 'LINK']) {
        await exchange(service.url, rawRequest(method, '/v1/users/me'));
      }
      const after = await Scrape.of(service);
      const routes = (scrape: Scrape) => new Set(scrape.series(REQUESTS).map(({ labels }) => labels.route));
      expect([...routes(after)].filter((route) => !routes(before).has(route))).toEqual(['none']);
      const none = after.series(REQUESTS, { route: 'none' });
      expect(none.map(({ labels }) => labels.method).sort()).toEqual(
        expect.arrayContaining(['GET', 'other']),
      );
      expect(new Set(none.map(({ labels }) => labels.method))).toEqual(new Set(['GET', 'other']));
    });

    it('count what cannot be read', async () => {
      const head = { 'X-Long': 'a'.repeat(20_000) };
      const grown = await grows(async () => {
        for (const path of ['/%zz', '/v1/users/%E0%A4%A'])
          expect((await exchange(service.url, rawRequest('GET', path))).status).toBe(400);
        expect((await exchange(service.url, 'NONSENSE\r\n\r\n')).status).toBe(400);
        expect((await exchange(service.url, rawRequest('GET', '/v1/users/me', head))).status).toBe(431);
      });
      const unreadable = 'user_service_http_unreadable_requests_total';
      expect(grown(unreadable, { status: '400' })).toBe(3);
      expect(grown(unreadable, { status: '431' })).toBe(1);
    });

    it('know HEAD and OPTIONS', async () => {
      const grown = await grows(async () => {
        await request(service.url).head('/health/live').expect(200);
        await request(service.url)
          .options('/v1/users/me')
          .set('Origin', 'http://localhost:3000')
          .set('Access-Control-Request-Method', 'GET');
      });
      expect(grown(REQUESTS, { method: 'HEAD', route: '/health/live', status: '200' })).toBe(1);
      expect(grown(REQUESTS, { method: 'OPTIONS', route: '*' })).toBe(1);
    });
  });

  describe('of hashing', () => {
    it('count hashes by task, with the time they took', async () => {
      const person = newPerson();
      const grown = await grows(async () => {
        await register(service, person);
        await login(person.email).expect(200);
      });
      expect(grown(HASHES, { task: 'hash' })).toBe(1);
      expect(grown(HASHES, { task: 'verify' })).toBe(1);
      expect(grown(HASHES, { task: 'score' })).toBe(1);
      expect(grown(HASHES.replace('_count', '_sum'), { task: 'verify' })).toBeGreaterThan(0);
    });

    it('show busy threads, the queue and what it refuses, and that both are empty again', async () => {
      const small = await service.another({ PASSWORD_HASH_QUEUE: '2' });
      const slow = await register(service);
      await setPasswordHash(service, slow.email, bcryptHash(slow.password, 4).replace('$04$', '$13$'));
      const before = await Scrape.of(small);
      const logins = [1, 2, 3, 4].map(async () => (await login(slow.email, PASSWORD, small.client())).status);
      expect(await Promise.race(logins)).toBe(503);
      const during = await Scrape.of(small);
      expect(during.value('user_service_password_hash_threads')).toBe(1);
      expect(during.value('user_service_password_hash_threads_busy')).toBe(1);
      expect(during.value('user_service_password_hash_queue')).toBe(2);
      expect((await Promise.all(logins)).sort()).toEqual([401, 401, 401, 503]);
      const after = await Scrape.of(small);
      expect(after.value('user_service_password_hash_threads_busy')).toBe(0);
      expect(after.value('user_service_password_hash_queue')).toBe(0);
      const refused = (scrape: Scrape) => scrape.value('user_service_password_hash_refused_total');
      expect(refused(after) - refused(before)).toBe(1);
      await small.stop();
    });
  });

  describe('of caches', () => {
    it('count permissions that were remembered, and those that were not', async () => {
      const { accessToken } = await newSignedIn(service);
      const body = { permission: 'trading_account:view' };
      const check = () => service.client().post('/v1/authz/check', body, accessToken).expect(200);
      const name = 'user_service_permission_cache_lookups_total';
      const first = await grows(check);
      expect([first(name, { result: 'miss' }), first(name, { result: 'hit' })]).toEqual([1, 0]);
      // Events of the sign-up may clear the entry once more when they are published.
      await eventually(async () => (await grows(check))(name, { result: 'hit' }) === 1, 'a hit');
    });

    it('count access tokens that were checked before, and those that were not', async () => {
      const { accessToken } = await newSignedIn(service);
      const me = () => service.client().get('/v1/users/me', accessToken).expect(200);
      const name = 'user_service_access_token_cache_lookups_total';
      const first = await grows(me);
      expect([first(name, { result: 'miss' }), first(name, { result: 'hit' })]).toEqual([1, 0]);
      const second = await grows(me);
      expect([second(name, { result: 'miss' }), second(name, { result: 'hit' })]).toEqual([0, 1]);
    });
  });

  describe('of stores', () => {
    it('show connections in use, and who waits for one', async () => {
      const idle = await Scrape.of(service);
      expect(idle.value('user_service_postgres_pool_connections_max')).toBe(2);
      const work = [1, 2, 3, 4, 5].map(() => service.db.query('SELECT pg_sleep(0.4)'));
      const busy = await Scrape.of(service);
      await Promise.all(work);
      expect(busy.value('user_service_postgres_pool_connections', { state: 'in_use' })).toBe(2);
      expect(busy.value('user_service_postgres_pool_waiting')).toBeGreaterThanOrEqual(3);
      await eventually(
        async () =>
          (await Scrape.of(service)).value('user_service_postgres_pool_connections', { state: 'idle' }) > 0,
        'a free connection',
      );
      expect(busy.value('user_service_redis_up')).toBe(1);
    });

    it('count events published and mails sent', async () => {
      const events = {
        name: 'user_service_events_published_total',
        labels: { event_type: 'user.registered' },
      };
      const mails = { name: 'user_service_mail_sent_total', labels: { result: 'sent' } };
      const before = await Scrape.of(service);
      await register(service);
      for (const { name, labels } of [events, mails]) {
        await eventually(
          async () => (await Scrape.of(service)).value(name, labels) > before.value(name, labels),
          `more ${name}`,
        );
      }
      const states = (await Scrape.of(service)).series('user_service_mail_outbox');
      expect(states.map(({ labels }) => labels.state).sort()).toEqual(['given_up', 'waiting']);
    });
  });

  describe('whoever sends whatever', () => {
    /** Requests full of values that nobody has sent before. @returns those values. */
    async function storm(): Promise<string[]> {
      const values: string[] = [];
      const fresh = (): string => {
        const value = randomBytes(9).toString('hex');
        values.push(value);
        return value;
      };
      const letters = (): string => {
        const value = fresh().replace(/[0-9]/g, 'x');
        values.push(value);
        return value;
      };
      const email = (): string => `${fresh()}@example.org`;
      const { person, accessToken, refreshToken, userId, sessionId } = await newSignedIn(service);
      values.push(person.email, person.password, accessToken, refreshToken, userId, sessionId);
      const api = () => service.client();
      await Promise.all([
        api().get(`/${fresh()}`),
        api().get(`/v1/${fresh()}?token=${fresh()}`),
        api().get(`/v1/users/profile/${newId()}`, accessToken),
        api().get(`/v1/users/profile/${fresh()}`, accessToken),
        api().delete(`/v1/auth/sessions/${newId()}`, accessToken),
        api().get('/v1/users/me', fresh()),
        api().get('/v1/users/me').set('X-API-Key', `us_live_${fresh()}`).set('X-Request-ID', fresh()),
        api().get('/v1/users/me').set('User-Agent', fresh()).set('Host', `${fresh()}.example.org`),
        api().post('/v1/auth/login', { email: email(), password: fresh() }),
        api().post('/v1/auth/login', {
          email: person.email,
          password: PASSWORD,
          device_fingerprint: fresh(),
        }),
        api().post('/v1/auth/register', { ...newPerson(), email: email(), name: fresh() }),
        api().post('/v1/auth/password/reset-request', { email: email() }),
        api().post('/v1/auth/password/reset', { token: fresh(), new_password: `Aa1!${fresh()}` }),
        api().post('/v1/auth/email/verify', { token: fresh() }),
        api().post('/v1/auth/refresh', { refresh_token: fresh() }),
        api().post('/v1/auth/mfa/verify', { mfa_token: fresh(), code: '123456' }),
        api().post('/v1/auth/oauth/google/callback', { code: fresh(), state: fresh() }),
        api().post('/v1/authz/check', { permission: `x:${letters()}`, user_id: newId() }, accessToken),
        api().post('/v1/authz/check', { permission: `x:${letters()}` }, accessToken),
        api().get(`/v1/users?email=${fresh()}`, accessToken),
        api().post('/v1/auth/refresh', { refresh_token: refreshToken }),
        exchange(service.url, rawRequest('REPORT', `/${fresh()}`)),
        exchange(service.url, rawRequest('GET', `/v1/users/%zz${fresh()}`)),
      ]);
      return values;
    }

    it('the number of series stays as it is, and none tells a secret, an address or an id', async () => {
      const values = await storm();
      await storm();
      const before = await Scrape.of(service);
      for (let i = 0; i < 4; i++) values.push(...(await storm()));
      const after = await Scrape.of(service);
      // What a process waits for at the moment of a scrape, by kinds that Node has a few of, is Node's own.
      const ours = ({ samples }: Scrape): number =>
        samples.filter(({ name }) => !name.startsWith('nodejs_active_')).length;
      expect(ours(after)).toBe(ours(before));
      expect(after.samples.length).toBeLessThan(3_000);
      for (const value of values) expect(after.text).not.toContain(value);
      expect(after.text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-|@|\b10\.\d+\.\d+\.\d+|example|eyJ|us_live/);
      const names = new Set(after.samples.map(({ name }) => name));
      for (const name of names) expect(name).toMatch(/^(user_service|process|nodejs)_[a-z0-9_]+$/);
    });

    it('declares every metric with a help text', async () => {
      const { types, text } = await Scrape.of(service);
      for (const name of types.keys()) expect(text).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'));
    });
  });
});
