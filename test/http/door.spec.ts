import { createTestDatabase, TestDatabase } from '../support/database';
import { startService, TestService } from '../support/app';
import { exchange } from '../support/raw-http';
import { newPerson, newSignedIn, Person, register, tokenIn } from '../support/people';
import { ServicePlace } from '../support/service-process';

describe('The door', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({
      PUBLIC_URL: 'https://id.example.org',
      CORS_ALLOWED_ORIGINS: 'https://app.example.org',
      TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8',
    });
  });
  afterAll(() => service.stop());

  it('sends headers that let no browser frame, sniff or run anything, and no cache keep it, with errors too', async () => {
    const { accessToken } = await newSignedIn(service);
    const requests: [head: string, status: number][] = [
      ['GET /health/live HTTP/1.1\r\nHost: id.test', 200],
      [`GET /v1/users/me HTTP/1.1\r\nHost: id.test\r\nAuthorization: Bearer ${accessToken}`, 200],
      [`GET /v1/auth/sessions HTTP/1.1\r\nHost: id.test\r\nAuthorization: Bearer ${accessToken}`, 200],
      ['GET /v1/users/me HTTP/1.1\r\nHost: id.test', 401],
      ['HEAD /v1/users/me HTTP/1.1\r\nHost: id.test', 401],
      ['GET /nothing HTTP/1.1\r\nHost: id.test', 404],
      ['OPTIONS /v1/users/me HTTP/1.1\r\nHost: id.test', 400],
      ['GET /health/live HTTP/1.1', 400],
      ['GET /%zz HTTP/1.1\r\nHost: id.test', 400],
      [`GET /v1/users/${'x'.repeat(300)} HTTP/1.1\r\nHost: id.test`, 400],
    ];
    for (const [head, expected] of requests) {
      const { status, headers } = await exchange(service.url, `${head}\r\nConnection: close\r\n\r\n`);
      expect([head, status]).toEqual([head, expected]);
      expect(headers).toMatchObject({
        'content-security-policy': "default-src 'none';frame-ancestors 'none'",
        'strict-transport-security': 'max-age=31536000; includeSubDomains',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'SAMEORIGIN',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
        'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      expect(headers).not.toHaveProperty('x-powered-by');
      expect(headers).not.toHaveProperty('server');
    }
    const { headers } = await service.client().get('/.well-known/jwks.json').expect(200);
    expect(headers['cache-control']).toBe('public, max-age=300');
  });

  describe('for other origins', () => {
    const preflight = (origin: string, method = 'POST') =>
      fetch(`${service.url}/v1/auth/login`, {
        method: 'OPTIONS',
        headers: { Origin: origin, 'Access-Control-Request-Method': method },
      });

    it('opens to the listed ones, with their cookies', async () => {
      const { status, headers } = await preflight('https://app.example.org');
      expect(status).toBe(204);
      expect(headers.get('access-control-allow-origin')).toBe('https://app.example.org');
      expect(headers.get('access-control-allow-credentials')).toBe('true');
      expect(headers.get('access-control-allow-methods')).toBe('GET, POST, PUT, PATCH, DELETE');
      expect(headers.get('access-control-allow-headers')).toContain('Authorization');
      expect(headers.get('vary')).toContain('Origin');
      const reply = await service.client().get('/v1/users/me').set('Origin', 'https://app.example.org');
      expect(reply.status).toBe(401);
      expect(reply.headers['access-control-allow-origin']).toBe('https://app.example.org');
    });

    it('lets their pages read every header that a reply may say something with', async () => {
      const reply = await service.client().get('/v1/users/me').set('Origin', 'https://app.example.org');
      expect(reply.headers['access-control-expose-headers']!.split(', ')).toEqual([
        'X-Request-ID',
        'Retry-After',
        'WWW-Authenticate',
        'Idempotency-Replayed',
        'Content-Disposition',
      ]);
    });

    it.each([
      'https://evil.example.org',
      'http://app.example.org',
      'https://app.example.org.evil.org',
      'null',
    ])('stays shut to %s', async (origin) => {
      const { headers } = await preflight(origin);
      expect(headers.get('access-control-allow-origin')).not.toBe(origin);
      expect(headers.get('access-control-allow-origin')).not.toBe('*');
      const reply = await service.client().get('/health/live').set('Origin', origin).expect(200);
      expect([undefined, 'false']).toContain(reply.headers['access-control-allow-origin']);
      const login = { email: 'a@example.org', password: 'x' };
      const refused = await service.client().post('/v1/auth/login', login).set('Origin', origin).expect(403);
      expect(refused.body.code).toBe('origin_not_allowed');
    });
  });

  describe('takes as the address of a client', () => {
    /** Where a session says that it was opened from. */
    const addressOf = async (at: TestService, forwarded?: string): Promise<string> => {
      const { email, password } = await register(at);
      const login = at.client().post('/v1/auth/login', { email, password, token_delivery: 'body' });
      if (forwarded === undefined) login.unset('X-Forwarded-For');
      else login.set('X-Forwarded-For', forwarded);
      const { access_token } = (await login.expect(200)).body;
      return (await at.client().get('/v1/auth/sessions', access_token).expect(200)).body.sessions[0].ip;
    };

    it.each([
      ['198.51.100.7', '198.51.100.7'],
      ['203.0.113.9, 198.51.100.7', '198.51.100.7'],
      ['203.0.113.9, 198.51.100.7, 10.1.2.3', '198.51.100.7'],
      ['198.51.100.7, 10.1.2.3, 10.4.5.6', '198.51.100.7'],
      ['::ffff:198.51.100.7', '198.51.100.7'],
      ['2001:db8::1', '2001:db8::1'],
      ['rubbish', '127.0.0.1'],
      ['198.51.100.7, rubbish', '127.0.0.1'],
      ["1.1.1.1'; DROP TABLE users", '127.0.0.1'],
      [undefined, '127.0.0.1'],
    ])('the rightmost hop that is no proxy of ours: %s', async (forwarded, address) => {
      expect(await addressOf(service, forwarded)).toBe(address);
    });

    it('the peer of the connection where there are no proxies, whatever it claims', async () => {
      const direct = await startService({ TRUSTED_PROXIES: '' });
      expect(await addressOf(direct, '198.51.100.7')).toBe('127.0.0.1');
      await direct.stop();
    });
  });

  it('knows a signed-in caller by the one header', async () => {
    const { accessToken, userId } = await newSignedIn(service);
    const { body } = await service.client().get('/v1/users/me', accessToken).expect(200);
    expect(body.user_id).toBe(userId);
  });
});

describe('A running service', () => {
  let stores: TestDatabase;
  let place: ServicePlace;
  let env: Record<string, string>;

  beforeEach(async () => {
    [stores, place] = await Promise.all([createTestDatabase(), ServicePlace.make()]);
    env = { DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl };
  });
  afterEach(async () => {
    await place.remove();
    await stores.drop();
  });

  const call = (path: string, body?: unknown, more: Record<string, string> = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${place.port}${path}`, {
      ...(body !== undefined && {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
      headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...more },
    });
  const json = async (reply: Promise<Response>) => JSON.parse(await (await reply).text());

  it.each(['json', 'text'])(
    'writes one line a request and no secret, however much it logs: %s',
    async (LOG_FORMAT) => {
      const running = await place.service({ ...env, LOG_LEVEL: 'trace', DEBUG: 'true', LOG_FORMAT }).ready();
      const person = newPerson();
      const secrets = await walkThrough(person);
      await running.end('SIGTERM');

      for (const secret of secrets) {
        expect(secret.length).toBeGreaterThan(7);
        expect(running.output.includes(secret)).toBe(false);
        expect(running.output.includes(encodeURIComponent(secret))).toBe(false);
      }
      expect(running.output).not.toContain(person.email);
      expect(running.output.split('request-1-').length - 1).toBe(1);
      if (LOG_FORMAT === 'text') {
        expect(running.output).toMatch(/^\[?\d\d:\d\d:\d\d\.\d+\]? INFO.*: request$/m);
        return;
      }
      const lines = running.output
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line));
      expect(lines.filter((line) => line.msg === 'request' && line.request_id === 'request-1-')).toEqual([
        {
          level: 'info',
          time: expect.any(String),
          service: 'user_service',
          pid: running.pid,
          request_id: 'request-1-',
          method: 'POST',
          route: '/v1/auth/register',
          status: 201,
          ms: expect.any(Number),
          ip: '127.0.0.1',
          msg: 'request',
        },
      ]);
      const unread = lines.filter((line) => line.route === 'none' && line.status === 400);
      expect(unread).toEqual([expect.objectContaining({ request_id: '[token]', ip: '127.0.0.1' })]);
    },
  );

  /** Everything that a person sends and gets, in ways that work and in ways that don't. @returns what is secret of it. */
  async function walkThrough(person: Person): Promise<string[]> {
    const { email, password } = person;
    expect((await call('/v1/auth/register', person, { 'X-Request-ID': 'request-1-' })).status).toBe(201);
    const first = await json(call('/v1/auth/login', { email, password, token_delivery: 'body' }));
    const inCookie = await call('/v1/auth/login', { email, password });
    const cookie = /=([^;]+)/.exec(inCookie.headers.getSetCookie()[0]!)![1]!;
    const { access_token } = await json(Promise.resolve(inCookie));
    const second = await json(call('/v1/auth/refresh', {}, { Cookie: `refresh_token=${cookie}` }));
    const third = await json(call('/v1/auth/refresh', { refresh_token: first.refresh_token }));
    await call('/v1/auth/login', { email, password: 'Wrong-Password-9!' });
    await call('/v1/auth/login', `{"email":"${email}","password":"Unreadable-Password-9!`);
    await call('/v1/auth/login', { email, password: ['Listed-Password-9!'] });
    expect((await call('/%zz', undefined, { 'X-Request-ID': third.refresh_token })).status).toBe(400);
    await call('/v1/users/me?access_token=secret-in-the-query', undefined, {
      Authorization: `Bearer ${access_token}`,
    });
    await call('/v1/users/me', undefined, {
      Authorization: 'Bearer eyJhbGciOiJub25lIn0.eyJmb3JnZWQiOjF9.Zm9yZ2Vk',
    });
    await call('/v1/auth/password/reset-request', { email });
    const mails: { to: string; text: string }[] = [];
    for (
      let tries = 0;
      mails.filter((mail) => mail.to === email && mail.text.includes('token=')).length < 2;
      tries++
    ) {
      if (tries > 100) throw new Error('the mails did not come');
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { messages } = await json(call('/dev/mailbox', undefined, { Accept: 'application/json' }));
      mails.splice(0, mails.length, ...messages);
    }
    const tokens = mails.filter((mail) => mail.text.includes('token=')).map(tokenIn);
    for (const token of tokens) {
      await call(`/reset-password?token=${token}`);
      await call('/v1/auth/email/verify', { token });
      await call('/v1/auth/password/reset', { token, new_password: 'Kaveri-Morning-77?' });
    }
    return [
      password,
      'Wrong-Password-9!',
      'Unreadable-Password-9!',
      'Listed-Password-9!',
      'secret-in-the-query',
      'Kaveri-Morning-77?',
      'eyJmb3JnZWQiOjF9',
      cookie,
      access_token,
      first.access_token,
      first.refresh_token,
      second.access_token,
      third.access_token,
      third.refresh_token,
      ...tokens,
    ];
  }

  it('answers what it has begun before it ends, and says that it is about to', async () => {
    const running = await place
      .service({
        ...env,
        PASSWORD_BCRYPT_COST: '12',
        PASSWORD_HASH_CONCURRENCY: '1',
        SHUTDOWN_DRAIN_SECONDS: '1',
      })
      .ready();
    const begun = Array.from({ length: 4 }, () => call('/v1/auth/register', newPerson()));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const exit = running.end('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    const ready = await call('/health/ready');
    expect([ready.status, JSON.parse(await ready.text()).status]).toEqual([503, 'draining']);
    expect((await call('/health/live')).status).toBe(200);
    expect((await Promise.all(begun)).map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(await exit).toBe(0);
    await expect(call('/health/live')).rejects.toThrow('fetch failed');
  });

  it('ends with the last reply, though clients keep their connections', async () => {
    const running = await place
      .service({
        ...env,
        PASSWORD_BCRYPT_COST: '12',
        PASSWORD_HASH_CONCURRENCY: '1',
        SHUTDOWN_DRAIN_SECONDS: '0',
      })
      .ready();
    const begun = Array.from({ length: 3 }, () => call('/v1/auth/register', newPerson()));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const exit = running.end('SIGTERM');
    expect((await Promise.all(begun)).map(({ status }) => status)).toEqual([201, 201, 201]);
    const answered = performance.now();
    expect(await exit).toBe(0);
    // Its deadline would be twenty seconds.
    expect(performance.now() - answered).toBeLessThan(10_000);
  });
});
