import { decodeJwt, decodeProtectedHeader } from 'jose';
import { startService, TestService } from '../support/app';
import { newPerson, register, signIn } from '../support/people';

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
      scope: 'trading_account:link trading_account:trade trading_account:view',
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

  it('refuses the sixth try after five failures, even with the right password, and forgets them after 15 minutes', async () => {
    const person = await register(service);
    const { email } = person;
    const client = service.client();
    for (let i = 0; i < 5; i++) {
      await client.post('/v1/auth/login', { email, password: 'Wrong-Password-1!' }).expect(401);
    }
    const refused = await client.post('/v1/auth/login', { email, password: person.password }).expect(429);
    expect(refused.body.code).toBe('rate_limited');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(800);
    // From another address the owner still gets in.
    await signIn(service, person);
  });
});
