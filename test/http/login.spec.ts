import { hashSync as argon2Hash } from '@node-rs/argon2';
import { hashSync as bcryptHash } from 'bcrypt';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { createHash } from 'node:crypto';
import { OpaqueTokens } from '../../src/tokens/opaque-tokens.service';
import { Client, startService, TestService } from '../support/app';
import { accountOf, eventsOf, setPasswordHash, setStatus } from '../support/account-rows';
import { cookieOf } from '../support/cookie';
import { passLimitWindows } from '../support/limit-windows';
import { newPerson, Person, register, signIn, tokenIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { expectSameTime, measureInTurns } from '../support/timing';

const PATH = '/v1/auth/login';
const WRONG = 'Wrong-Password-1!';

/** Fails to sign in so many times, one after the other. */
async function failToSignIn(client: Client, email: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await client.post(PATH, { email, password: WRONG }).expect(401);
}

describe('POST /v1/auth/login', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('signs in and answers tokens, session and user', async () => {
    const person = await register(service);
    const { body, headers } = await service
      .client()
      .post('/v1/auth/login', {
        email: person.email.toUpperCase(),
        password: person.password,
        token_delivery: 'body',
      })
      .expect(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: expect.stringMatching(/^[\w-]{90,}$/),
      session_id: expect.any(String),
      user: {
        user_id: expect.any(String),
        email: person.email,
        name: person.name,
        status: 'pending_verification',
        roles: ['trader'],
        mfa_enabled: false,
        email_verified: false,
      },
    });
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['set-cookie']).toBeUndefined();
    expect(decodeProtectedHeader(body.access_token)).toEqual({
      alg: 'RS256',
      typ: 'at+jwt',
      kid: expect.any(String),
    });
    expect(decodeJwt(body.access_token)).toEqual({
      iss: 'http://id.test',
      sub: `user:${body.user.user_id}`,
      aud: ['trading_platform'],
      iat: expect.any(Number),
      exp: expect.any(Number),
      jti: expect.any(String),
      sid: body.session_id,
      client_id: 'user_service',
      scope: 'trading_account:link trading_account:manage trading_account:trade trading_account:view',
      roles: ['trader'],
      acct_ids: [],
      mfa: false,
      email_verified: false,
      ver: 1,
    });
  });

  it('puts the refresh token into a cookie that scripts cannot read unless asked otherwise', async () => {
    const { email, password } = await register(service);
    const { body, headers } = await service.client().post('/v1/auth/login', { email, password }).expect(200);
    expect(body.refresh_token).toBeNull();
    expect(headers['set-cookie']).toEqual([
      expect.stringMatching(/^refresh_token=[\w-]{90,}; Path=\/v1\/auth; HttpOnly; SameSite=Strict$/),
    ]);
  });

  it('answers the same for an unknown address and a wrong password', async () => {
    const { email } = await register(service);
    const wrong = await service
      .client()
      .post('/v1/auth/login', { email, password: 'Wrong-Password-1!' })
      .expect(401);
    const { email: nobody } = newPerson();
    const unknown = await service
      .client()
      .post('/v1/auth/login', { email: nobody, password: 'Wrong-Password-1!' })
      .expect(401);
    expect(wrong.body.code).toBe('invalid_credentials');
    expect({ ...unknown.body, request_id: '' }).toEqual({ ...wrong.body, request_id: '' });
    expect(wrong.headers['www-authenticate']).toBe('Bearer');
  });

  it.each<[string, object, string]>([
    ['no address', { email: undefined }, 'email'],
    ['an address that is an object', { email: { $gt: '' } }, 'email'],
    ['no password', { password: undefined }, 'password'],
    ['a password with NUL', { password: 'a\0b' }, 'password'],
    ['persist_session as text', { persist_session: 'yes' }, 'persist_session'],
    ['an unknown delivery', { token_delivery: 'pigeon' }, 'token_delivery'],
    ['a fingerprint of 256 characters', { device_fingerprint: 'f'.repeat(256) }, 'device_fingerprint'],
  ])('refuses %s', async (_what, wrong, field) => {
    await expectInvalid(service.client().post(PATH, { ...newPerson(), ...wrong }), field);
  });

  it.each([
    ['suspended', 'account_suspended'],
    ['deactivated', 'account_deactivated'],
  ] as const)('tells that an account is %s only to whoever knows the password', async (status, code) => {
    const { email, password } = await register(service);
    await setStatus(service, email, status);
    const client = service.client();
    await expectProblem(client.post(PATH, { email, password: WRONG }), 401, 'invalid_credentials');
    await expectProblem(client.post(PATH, { email, password }), 403, code);
    const { id } = await accountOf(service, email);
    expect(await eventsOf(service, id as string, 'login.failed')).toMatchObject([
      { actor: 'anonymous', data: { reason: 'wrong_password' } },
      { actor: 'anonymous', data: { reason: 'not_allowed' } },
    ]);
    expect(await eventsOf(service, id as string, 'session.created')).toEqual([]);
  });

  it('records the sign-in, its session and its time', async () => {
    const person = await register(service);
    const before = Date.now();
    const { userId, sessionId } = await signIn(service, person);
    const actor = `user:${userId}`;
    expect((await eventsOf(service, userId)).slice(-2)).toEqual([
      {
        type: 'user.login',
        actor,
        data: { session_id: sessionId, method: 'password', second_factor: null, new_device: false },
      },
      {
        type: 'session.created',
        actor,
        data: { session_id: sessionId, persistent: false, expires_at: expect.any(String) },
      },
    ]);
    const { last_login_at } = await accountOf(service, person.email);
    expect((last_login_at as Date).getTime()).toBeGreaterThanOrEqual(before);
  });

  it('records a try for an unknown address without the address, or anything to try addresses against', async () => {
    const { email } = newPerson();
    await failToSignIn(service.client(), email, 1);
    const digest = service.app.get(OpaqueTokens).pseudonym('unknown_address', email);
    expect(digest).toMatch(/^[0-9a-f]{32}$/);
    expect(digest).not.toBe(createHash('sha256').update(email).digest('hex').slice(0, 32));
    const events = await service.db.query(
      `SELECT event_type, data, strpos(e::text, $2) AS address_at FROM events e WHERE subject = $1`,
      [`address:${digest}`, email],
    );
    expect(events).toEqual([
      { event_type: 'login.failed', data: { reason: 'unknown_account' }, address_at: 0 },
    ]);
  });

  it('mails the owner about a sign-in from a second device, and of no other', async () => {
    const person = await register(service);
    const device = (device_fingerprint: string) => signIn(service, person, { device_fingerprint });
    await device('phone');
    await device('phone');
    const { userId } = await device('laptop');
    await device('laptop');
    const mail = await service.mailTo(person.email, /^New sign-in to your account$/);
    expect(mail.text).toContain('test-browser/1.0');
    const logins = await eventsOf(service, userId, 'user.login');
    expect(logins.map(({ data }) => data.new_device)).toEqual([false, false, true, false]);
    const mails = (await service.mails(person.email)).filter(({ subject }) => /New sign-in/.test(subject));
    expect(mails).toHaveLength(1);
  });

  it('knows a device without a fingerprint by its user agent', async () => {
    const { email, password } = await register(service);
    const from = (agent: string) =>
      service.client().post(PATH, { email, password }).set('User-Agent', agent).expect(200);
    await from('Browser A');
    await from('Browser B');
    expect((await service.mailTo(email, /New sign-in/)).text).toContain('Browser B');
  });

  it('ends the least recently used session when a hundred are open', async () => {
    const person = await register(service);
    const first = await signIn(service, person);
    for (let i = 0; i < 100; i += 10) {
      await Promise.all(Array.from({ length: 10 }, () => signIn(service, person)));
    }
    const client = service.client();
    await expectProblem(client.get('/v1/users/me', first.accessToken), 401, 'invalid_access_token');
    const last = await signIn(service, person);
    const { body } = await client.get('/v1/auth/sessions', last.accessToken).expect(200);
    expect(body.total).toBe(100);
    const [evicted] = await eventsOf(service, first.userId, 'session.revoked');
    expect(evicted!.data).toEqual({ reason: 'session_limit', session_ids: [first.sessionId] });
  });

  describe('with hashes of other kinds', () => {
    const OTHERS = {
      argon2id: argon2Hash(newPerson().password),
      'a higher bcrypt cost': bcryptHash(newPerson().password, 6),
      'bcrypt in its 2y spelling': bcryptHash(newPerson().password, 5).replace('$2b$', '$2y$'),
    };

    it.each(Object.entries(OTHERS))('accepts %s and hashes anew', async (_kind, hash) => {
      const person = await register(service);
      await setPasswordHash(service, person.email, hash);
      await failToSignIn(service.client(), person.email, 1);
      expect((await accountOf(service, person.email)).password_hash).toBe(hash);
      await signIn(service, person);
      expect((await accountOf(service, person.email)).password_hash).toMatch(/^\$2b\$04\$/);
      await signIn(service, person);
    });

    it('lets nobody into an account without a password', async () => {
      const { email, password } = await register(service);
      await service.db.query(`UPDATE users SET password_hash = NULL WHERE email = $1`, [email]);
      await expectProblem(service.client().post(PATH, { email, password }), 401, 'invalid_credentials');
    });

    it.each(['$argon2id$v=19$m=damaged', '$2b$12$damaged', 'plain text'])(
      'refuses every password where the hash is damaged: %s',
      async (hash) => {
        const person = await register(service);
        await setPasswordHash(service, person.email, hash);
        const { email, password } = person;
        await expectProblem(service.client().post(PATH, { email, password }), 401, 'invalid_credentials');
      },
    );

    it('keeps an argon2id hash of a password that bcrypt would cut', async () => {
      const person: Person = { ...(await register(service)), password: `${'Ganga-Sunrise-42!'.repeat(5)}` };
      const hash = argon2Hash(person.password);
      await setPasswordHash(service, person.email, hash);
      await signIn(service, person);
      expect((await accountOf(service, person.email)).password_hash).toBe(hash);
    });

    it('never takes a password for right because bcrypt reads 72 bytes of it', async () => {
      const password = 'Xk7!qZm9$wVb'.repeat(6);
      const person = await register(service, { ...newPerson(), password });
      await expectProblem(
        service.client().post(PATH, { email: person.email, password: `${password}more` }),
        401,
        'invalid_credentials',
      );
      await signIn(service, person);
    });
  });
});

describe('the refresh cookie', () => {
  let service: TestService;
  let secure: TestService;
  beforeAll(async () => {
    service = await startService();
    secure = await service.another({ PUBLIC_URL: 'https://id.test' });
  });
  afterAll(async () => {
    await secure.stop();
    await service.stop();
  });

  it('goes when the browser closes unless the session is to persist', async () => {
    const { email, password } = await register(service);
    const cookie = cookieOf(await service.client().post(PATH, { email, password }).expect(200));
    expect(cookie.attributes).toEqual({ path: '/v1/auth', httponly: true, samesite: 'Strict' });
  });

  it('stays for 90 days when the session is to persist', async () => {
    const { email, password } = await register(service);
    const cookie = cookieOf(
      await service.client().post(PATH, { email, password, persist_session: true }).expect(200),
    );
    const { 'max-age': maxAge, ...others } = cookie.attributes;
    expect(Number(maxAge)).toBeGreaterThan(90 * 86_400 - 10);
    expect(Number(maxAge)).toBeLessThanOrEqual(90 * 86_400);
    expect(others).toEqual({ path: '/v1/auth', httponly: true, samesite: 'Strict' });
  });

  it('is for https alone, by name and attribute, where the service is reached by https', async () => {
    const { email, password } = await register(secure);
    const cookie = cookieOf(await secure.client().post(PATH, { email, password }).expect(200));
    expect(cookie.name).toBe('__Secure-refresh_token');
    expect(cookie.attributes).toEqual({ path: '/v1/auth', httponly: true, secure: true, samesite: 'Strict' });
  });

  it('is refused to a page of an unknown origin, before any password is looked at', async () => {
    const person = await register(service);
    const { email, password } = person;
    const from = (origin: string, more: object = {}) =>
      service
        .client()
        .post(PATH, { email, password, ...more })
        .set('Origin', origin);
    for (const origin of [
      'https://evil.test',
      'null',
      'http://localhost:3000.evil.test',
      'http://id.test:81',
    ]) {
      const { headers } = await expectProblem(from(origin), 403, 'origin_not_allowed');
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
    await expectProblem(from('https://evil.test', { password: WRONG }), 403, 'origin_not_allowed');
    const { headers } = await from('http://localhost:3000').expect(200);
    expect(headers['access-control-allow-origin']).toBe('http://localhost:3000');
    expect(headers['access-control-allow-credentials']).toBe('true');
    await from('http://id.test').expect(200);
    await from('https://evil.test', { token_delivery: 'body' }).expect(200);
  });
});

describe('sign-in where addresses must be verified', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ FEATURE_REQUIRE_VERIFIED_EMAIL: 'true' });
  });
  afterAll(() => service.stop());

  it('is refused until the address is verified, and only after the right password', async () => {
    const person = await register(service);
    const { email, password } = person;
    await failToSignIn(service.client(), email, 1);
    await expectProblem(service.client().post(PATH, { email, password }), 403, 'email_not_verified');
    const token = tokenIn(await service.mailTo(email, /^Verify/));
    await service.client().post('/v1/auth/email/verify', { token }).expect(200);
    await signIn(service, person);
  });
});

describe('limits of failed sign-ins', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('refuse the sixth try after five failures, even with the right password, for 15 minutes', async () => {
    const person = await register(service);
    const { email, password } = person;
    const client = service.client();
    await failToSignIn(client, email, 5);
    const { headers } = await expectProblem(client.post(PATH, { email, password }), 429, 'rate_limited');
    expect(Number(headers['retry-after'])).toBeGreaterThan(800);
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(900);
    await passLimitWindows(service);
    await client.post(PATH, { email, password }).expect(200);
  });

  it('refuse unknown addresses just as known ones', async () => {
    const { email } = newPerson();
    const client = service.client();
    await failToSignIn(client, email, 5);
    await expectProblem(client.post(PATH, { email, password: WRONG }), 429, 'rate_limited');
  });

  it('are forgotten after a success', async () => {
    const { email, password } = await register(service);
    const client = service.client();
    await failToSignIn(client, email, 4);
    await client.post(PATH, { email, password }).expect(200);
    await failToSignIn(client, email, 5);
  });

  it('record the first refusal of a window, once', async () => {
    const { email } = await register(service);
    const client = service.client();
    await failToSignIn(client, email, 5);
    for (let i = 0; i < 3; i++) await client.post(PATH, { email, password: WRONG }).expect(429);
    const { id } = await accountOf(service, email);
    expect(await eventsOf(service, id as string, 'login.locked')).toEqual([
      { type: 'login.locked', actor: 'anonymous', data: { retry_after: expect.any(Number) } },
    ]);
  });

  it('let at most five of thirty parallel tries through', async () => {
    const { email } = await register(service);
    const client = service.client();
    const replies = await Promise.all(
      Array.from({ length: 30 }, () => client.post(PATH, { email, password: WRONG })),
    );
    const statuses = replies.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array<number>(5).fill(401), ...Array<number>(25).fill(429)]);
    const { id } = await accountOf(service, email);
    expect(await eventsOf(service, id as string, 'login.failed')).toHaveLength(5);
  });

  it('do not let one address lock the owner out', async () => {
    const person = await register(service);
    const client = service.client();
    for (let i = 0; i < 60; i++) await client.post(PATH, { email: person.email, password: WRONG });
    await signIn(service, person);
  });

  it('stop a crowd that tries one account from many addresses', async () => {
    const { email, password } = await register(service);
    await Promise.all(Array.from({ length: 10 }, () => failToSignIn(service.client(), email, 5)));
    await expectProblem(service.client().post(PATH, { email, password }), 429, 'rate_limited');
  });

  it('stop one address that tries many accounts', async () => {
    const person = await register(service);
    const client = service.client();
    for (let i = 0; i < 100; i += 20) {
      await Promise.all(Array.from({ length: 20 }, () => failToSignIn(client, newPerson().email, 1)));
    }
    const { email, password } = person;
    await expectProblem(client.post(PATH, { email, password }), 429, 'rate_limited');
    await signIn(service, person);
  });
});

describe('the time of a sign-in', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ PASSWORD_BCRYPT_COST: '10' });
  });
  afterAll(() => service.stop());

  it('does not tell an unknown address from a wrong password of a hash of former days', async () => {
    const { email } = await register(service);
    await setPasswordHash(service, email, bcryptHash(newPerson().password, 8));
    expectSameTime(
      await measureInTurns(
        15,
        () => failToSignIn(service.client(), email, 1),
        () => failToSignIn(service.client(), newPerson().email, 1),
      ),
    );
  });

  it('does not tell an unknown address from a wrong password', async () => {
    const { email } = await register(service);
    expectSameTime(
      await measureInTurns(
        15,
        () => failToSignIn(service.client(), email, 1),
        () => failToSignIn(service.client(), newPerson().email, 1),
      ),
    );
  });
});
