import { randomBytes } from 'node:crypto';
import { decodeJwt } from 'jose';
import type { Response, Test } from 'supertest';
import { startService, TestService } from '../support/app';
import { eventsOf, setStatus } from '../support/account-rows';
import { cookieOf } from '../support/cookie';
import { isSignedIn, newSignedIn, register, signIn, tokenIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const PATH = '/v1/auth/refresh';
const SECOND = 1000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;

const refresh = (service: TestService, refresh_token: string): Test =>
  service.client().post(PATH, { refresh_token });

describe('POST /v1/auth/refresh', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('exchanges a token for new ones of the same session', async () => {
    const before = await newSignedIn(service);
    const { body, headers } = await refresh(service, before.refreshToken).expect(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: expect.stringMatching(/^[\w-]{90,}$/),
      session_id: before.sessionId,
    });
    expect(body.refresh_token).not.toBe(before.refreshToken);
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['set-cookie']).toBeUndefined();
    const [was, is] = [decodeJwt(before.accessToken), decodeJwt(body.access_token)];
    expect({ ...is, iat: 0, exp: 0, jti: '' }).toEqual({ ...was, iat: 0, exp: 0, jti: '' });
    expect(is.jti).not.toBe(was.jti);
    expect(await isSignedIn(service, body.access_token)).toBe(true);
    expect(await isSignedIn(service, before.accessToken)).toBe(true);
  });

  it('takes the token from the cookie, and puts the new one there', async () => {
    const { email, password } = await register(service);
    const login = cookieOf(await service.client().post('/v1/auth/login', { email, password }).expect(200));
    const reply = await service
      .client()
      .post(PATH)
      .set('Cookie', `${login.name}=${login.value}`)
      .set('Origin', 'http://localhost:3000')
      .expect(200);
    expect(reply.body.refresh_token).toBeNull();
    const next = cookieOf(reply);
    expect(next).toEqual({ ...login, value: expect.any(String) });
    expect(next.value).not.toBe(login.value);
    await refresh(service, next.value).expect(200);
  });

  it('prefers the token of the body to the cookie', async () => {
    const [one, other] = [await newSignedIn(service), await newSignedIn(service)];
    const { body, headers } = await refresh(service, one.refreshToken)
      .set('Cookie', `refresh_token=${other.refreshToken}`)
      .set('Origin', 'https://evil.test')
      .expect(200);
    expect(body.session_id).toBe(one.sessionId);
    expect(headers['set-cookie']).toBeUndefined();
  });

  it('refuses the cookie to a page of an unknown origin, and rotates nothing', async () => {
    const { refreshToken } = await newSignedIn(service);
    const withCookie = (origin: string): Test =>
      service.client().post(PATH).set('Cookie', `refresh_token=${refreshToken}`).set('Origin', origin);
    await expectProblem(withCookie('https://evil.test'), 403, 'origin_not_allowed');
    await expectProblem(withCookie('null'), 403, 'origin_not_allowed');
    const untouched = await refresh(service, refreshToken).expect(200);
    const again = await refresh(service, refreshToken).expect(200);
    expect(again.body.refresh_token).toBe(untouched.body.refresh_token);
  });

  it('returns the same successor for the previous token within the grace', async () => {
    const { refreshToken, userId } = await newSignedIn(service);
    const first = await refresh(service, refreshToken).expect(200);
    service.advance(9 * SECOND);
    const second = await refresh(service, refreshToken).expect(200);
    expect(second.body.refresh_token).toBe(first.body.refresh_token);
    await refresh(service, second.body.refresh_token).expect(200);
    expect(await eventsOf(service, userId, 'session.revoked')).toEqual([]);
  });

  it('does not lengthen the grace each time it is used', async () => {
    const { refreshToken } = await newSignedIn(service);
    await refresh(service, refreshToken).expect(200);
    service.advance(8 * SECOND);
    await refresh(service, refreshToken).expect(200);
    service.advance(8 * SECOND);
    await expectProblem(refresh(service, refreshToken), 401, 'refresh_token_reused');
  });

  it.each([
    ['the previous token after the grace', 1, 11 * SECOND],
    ['the token before the previous one', 2, 0],
  ])('ends every session of the user when it sees %s', async (_which, rotations, wait) => {
    const stolen = await newSignedIn(service);
    const elsewhere = await signIn(service, stolen.person);
    const bystander = await newSignedIn(service);
    let latest = stolen.refreshToken;
    for (let i = 0; i < rotations; i++) {
      latest = (await refresh(service, latest).expect(200)).body.refresh_token;
    }
    service.advance(wait);
    await expectProblem(refresh(service, stolen.refreshToken), 401, 'refresh_token_reused');

    expect(await isSignedIn(service, stolen.accessToken)).toBe(false);
    expect(await isSignedIn(service, elsewhere.accessToken)).toBe(false);
    expect(await isSignedIn(service, bystander.accessToken)).toBe(true);
    await expectProblem(refresh(service, latest), 401, 'invalid_refresh_token');
    await expectProblem(refresh(service, elsewhere.refreshToken), 401, 'invalid_refresh_token');
    const [event, ...more] = await eventsOf(service, stolen.userId, 'session.revoked');
    expect(more).toEqual([]);
    expect(event!.data).toMatchObject({ reason: 'refresh_reuse' });
    expect([...(event!.data.session_ids as string[])].sort()).toEqual(
      [stolen.sessionId, elsewhere.sessionId].sort(),
    );
    await signIn(service, stolen.person);
  });

  it('refuses more than ten refreshes a minute of one session, and no other', async () => {
    const person = await register(service);
    const [busy, idle] = [await signIn(service, person), await signIn(service, person)];
    let token = busy.refreshToken;
    for (let i = 0; i < 10; i++) token = (await refresh(service, token).expect(200)).body.refresh_token;
    const { headers } = await expectProblem(refresh(service, token), 429, 'rate_limited');
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60);
    await refresh(service, idle.refreshToken).expect(200);
    service.advance(61 * SECOND);
    await refresh(service, token).expect(200);
  });

  it('asks for a token where there is none', async () => {
    await expectProblem(service.client().post(PATH), 401, 'refresh_token_missing');
    await expectProblem(service.client().post(PATH, { refresh_token: '' }), 401, 'refresh_token_missing');
    await expectProblem(
      service.client().post(PATH).set('Cookie', 'refresh_token='),
      401,
      'refresh_token_missing',
    );
  });

  it('refuses a token that is no text', async () => {
    await expectInvalid(service.client().post(PATH, { refresh_token: 7 }), 'refresh_token');
    await expectInvalid(service.client().post(PATH, { refresh_token: 'a\0' }), 'refresh_token');
    await expectInvalid(service.client().post(PATH, { refresh_token: 'a'.repeat(1025) }), 'refresh_token');
  });

  it('refuses every token that was not made here for this, and changes nothing', async () => {
    const { refreshToken: good, person } = await newSignedIn(service);
    const bytes = Buffer.from(good, 'base64url');
    const flipped = (index: number): string => {
      const copy = Buffer.from(bytes);
      copy[index]! ^= 1;
      return copy.toString('base64url');
    };
    const verification = tokenIn(await service.mailTo(person.email, /^Verify/));
    const bad = [
      'x',
      good.slice(0, -1),
      good.slice(0, 40),
      `${good}AAAA`,
      ` ${good}`,
      `${good}=`,
      randomBytes(bytes.length).toString('base64url'),
      verification,
      // Key tag, user, session, counter, MAC.
      ...[0, 4, 20, 39, bytes.length - 1].map(flipped),
    ];
    for (const token of bad) await expectProblem(refresh(service, token), 401, 'invalid_refresh_token');
    for (const value of ['x', '%E0%A4%A', `"${good.slice(1)}"`]) {
      const withCookie = service.client().post(PATH).set('Cookie', `refresh_token=${value}`);
      await expectProblem(withCookie, 401, 'invalid_refresh_token');
    }
    await refresh(service, good).expect(200);
  });

  it('refuses the tokens of a service with other keys', async () => {
    const stranger = await startService();
    const { refreshToken } = await newSignedIn(stranger);
    await stranger.stop();
    await expectProblem(refresh(service, refreshToken), 401, 'invalid_refresh_token');
  });

  it.each(['suspended', 'deactivated'] as const)('refuses the tokens of a %s account', async (status) => {
    const { refreshToken, person } = await newSignedIn(service);
    await setStatus(service, person.email, status);
    await expectProblem(refresh(service, refreshToken), 401, 'invalid_refresh_token');
    await setStatus(service, person.email, 'active');
    await refresh(service, refreshToken).expect(200);
  });

  it('says at the next refresh what has become of the account', async () => {
    const { refreshToken, person } = await newSignedIn(service);
    const token = tokenIn(await service.mailTo(person.email, /^Verify/));
    await service.client().post('/v1/auth/email/verify', { token }).expect(200);
    const { body } = await refresh(service, refreshToken).expect(200);
    expect(decodeJwt(body.access_token).email_verified).toBe(true);
  });
});

describe('the end of a session', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ JWT_KEY_ROTATION_DAYS: '0' });
  });
  afterAll(() => service.stop());

  it('is a day after sign-in, however often it is refreshed', async () => {
    const { refreshToken } = await newSignedIn(service);
    service.advance(23 * HOUR);
    const { body } = await refresh(service, refreshToken).expect(200);
    expect(await isSignedIn(service, body.access_token)).toBe(true);
    service.advance(HOUR);
    await expectProblem(refresh(service, body.refresh_token), 401, 'invalid_refresh_token');
    expect(await isSignedIn(service, body.access_token)).toBe(false);
  });

  it('is 90 days after sign-in where it persists, however often it is refreshed', async () => {
    const { email, password } = await register(service);
    let reply: Response = await service
      .client()
      .post('/v1/auth/login', { email, password, persist_session: true })
      .expect(200);
    const withCookie = (): Test =>
      service
        .client()
        .post(PATH)
        .set('Cookie', `refresh_token=${cookieOf(reply).value}`);
    for (let day = 13; day < 90; day += 13) {
      service.advance(13 * DAY);
      reply = await withCookie().expect(200);
      const left = Number(cookieOf(reply).attributes['max-age']);
      expect(left).toBeLessThanOrEqual((90 - day) * 86_400);
      expect(left).toBeGreaterThan((90 - day) * 86_400 - 30);
    }
    service.advance(12 * DAY);
    await expectProblem(withCookie(), 401, 'invalid_refresh_token');
  });

  it('is 14 days after the last refresh', async () => {
    const session = await signIn(service, await register(service), { persist_session: true });
    service.advance(14 * DAY - 60 * SECOND);
    const { body } = await refresh(service, session.refreshToken).expect(200);
    service.advance(14 * DAY);
    await expectProblem(refresh(service, body.refresh_token), 401, 'invalid_refresh_token');
    expect(await isSignedIn(service, body.access_token)).toBe(false);
  });
});

describe.each([
  ['the usual limit', {}],
  ['a limit out of the way', { RATELIMIT_REFRESH_ATTEMPTS: '1000' }],
])('fifty refreshes of one token at once over two instances, with %s', (_name, settings) => {
  let service: TestService;
  let other: TestService;
  beforeAll(async () => {
    service = await startService(settings);
    other = await service.another();
  });
  afterAll(async () => {
    await other.stop();
    await service.stop();
  });

  it('leave one lineage, and the client signed in', async () => {
    const { refreshToken, accessToken, userId } = await newSignedIn(service);
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, i) => refresh(i % 2 ? service : other, refreshToken)),
    );
    const allowed = service.config.RATELIMIT_REFRESH_ATTEMPTS;
    const fresh = replies.filter(({ status }) => status === 200);
    expect(fresh).toHaveLength(Math.min(50, allowed));
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(Math.max(0, 50 - allowed));
    const successors = new Set(fresh.map(({ body }) => body.refresh_token as string));
    expect(successors.size).toBe(1);

    service.advance(61 * SECOND);
    const [successor] = successors;
    await refresh(service, successor!).expect(200);
    expect(await isSignedIn(service, accessToken)).toBe(true);
    expect(await eventsOf(service, userId, 'session.revoked')).toEqual([]);
  });
});

describe('refresh tokens when Redis forgets', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  /** What Redis holds of a user's sessions, to be put back later: as after the loss of its last writes. */
  async function sessionsAt(userId: string): Promise<() => Promise<unknown>> {
    const key = `sessions:{${userId}}`;
    const copy = await service.redis.dumpBuffer(key);
    return () => service.redis.restore(key, 0, copy, 'REPLACE');
  }

  it('work on when its scripts are gone', async () => {
    const { refreshToken } = await newSignedIn(service);
    await service.redis.script('FLUSH');
    const { body } = await refresh(service, refreshToken).expect(200);
    await service.redis.script('FLUSH');
    await newSignedIn(service);
    await service.redis.script('FLUSH');
    await service.client().post('/v1/auth/logout', {}, body.access_token).expect(200);
  });

  it('let nobody in when all its data are gone, until they sign in again', async () => {
    const { refreshToken, accessToken, person } = await newSignedIn(service);
    await service.redis.flushdb();
    await expectProblem(refresh(service, refreshToken), 401, 'invalid_refresh_token');
    expect(await isSignedIn(service, accessToken)).toBe(false);
    const again = await signIn(service, person);
    await refresh(service, again.refreshToken).expect(200);
  });

  it('keep the client signed in when its last rotation is lost', async () => {
    const { refreshToken, userId } = await newSignedIn(service);
    const loseWrites = await sessionsAt(userId);
    const first = await refresh(service, refreshToken).expect(200);
    await loseWrites();
    const second = await refresh(service, first.body.refresh_token).expect(200);
    expect(second.body.refresh_token).not.toBe(first.body.refresh_token);
  });

  it('stay dead after a password reset whose revocation it has lost', async () => {
    const { refreshToken, userId, person } = await newSignedIn(service);
    const loseWrites = await sessionsAt(userId);
    await service.client().post('/v1/auth/password/reset-request', { email: person.email }).expect(200);
    const token = tokenIn(await service.mailTo(person.email, /^Reset/));
    await service
      .client()
      .post('/v1/auth/password/reset', { token, new_password: 'Kaveri-Morning-77?' })
      .expect(200);
    await expectProblem(refresh(service, refreshToken), 401, 'invalid_refresh_token');
    await loseWrites();
    await expectProblem(refresh(service, refreshToken), 401, 'invalid_refresh_token');
  });
});
