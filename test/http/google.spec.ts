import { createHash } from 'node:crypto';
import { LinkIdentity } from '../../src/oauth/link-identity.service';
import { accountOf, eventsOf, setStatus } from '../support/account-rows';
import { cookieOf } from '../support/cookie';
import {
  CALLBACK,
  cookiesOf,
  finish,
  GoogleWorld,
  newGooglePerson,
  OTHER_REDIRECT_URI,
  REDIRECT_URI,
  returnFromGoogle,
  signInWithGoogle,
  START,
  startGoogleWorld,
} from '../support/google-flow';
import { expectInvalid, expectProblem } from '../support/problem';

let world: GoogleWorld;
beforeAll(async () => {
  world = await startGoogleWorld();
});
afterAll(() => world.stop());

describe('POST /v1/auth/oauth/google', () => {
  it('answers where to sign in, and asks for no more than who it is', async () => {
    const { service, provider } = world;
    const { body, headers } = await service.client().post(START).expect(200);
    expect(body).toEqual({
      authorization_url: expect.stringMatching(`^${provider.issuer}/auth\\?`),
      state: expect.stringMatching(/^[\w-]{43}$/),
      provider: 'google',
    });
    expect(headers['cache-control']).toBe('no-store');
    const { searchParams } = new URL(body.authorization_url);
    expect(Object.fromEntries(searchParams)).toEqual({
      response_type: 'code',
      client_id: provider.clientId,
      redirect_uri: REDIRECT_URI,
      scope: 'openid email profile',
      state: body.state,
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    });
  });

  it('keeps the state for ten minutes, under its hash', async () => {
    const { service } = world;
    const { body } = await service.client().post(START, {}).expect(200);
    const key = `oauth-state:{${createHash('sha256').update(body.state).digest('base64url')}}`;
    const ttl = await service.redis.ttl(key);
    expect(ttl).toBeGreaterThan(590);
    expect(ttl).toBeLessThanOrEqual(600);
    expect(await service.redis.get(key)).not.toContain(body.state);
  });

  it('gives the browser a cookie that scripts cannot read', async () => {
    const reply = await world.service.client().post(START).expect(200);
    expect(cookieOf(reply)).toEqual({
      name: 'oauth_browser',
      value: expect.stringMatching(/^[\w-]{43}$/),
      attributes: { path: '/', httponly: true, samesite: 'Lax', 'max-age': '600' },
    });
  });

  it('has the browser take the cookie from this very host alone, where the service is behind https', async () => {
    const secure = await world.service.another({ PUBLIC_URL: 'https://id.test/users' });
    try {
      const { name, value, attributes } = cookieOf(await secure.client().post(START).expect(200));
      // RFC 6265bis section 4.1.3.2: no sibling of ours can set it, and neither Domain nor another path can be told.
      expect(name).toBe('__Host-oauth_browser');
      expect(attributes).toEqual({
        path: '/',
        secure: true,
        httponly: true,
        samesite: 'Lax',
        'max-age': '600',
      });
      const again = (cookie: string) => secure.client().post(START).set('Cookie', cookie).expect(200);
      expect(cookieOf(await again(`${name}=${value}`)).value).toBe(value);
      expect(cookieOf(await again(`oauth_browser=${value}; __Secure-oauth_browser=${value}`)).value).not.toBe(
        value,
      );
    } finally {
      await secure.stop();
    }
  });

  it('lets several tabs of one browser sign in side by side', async () => {
    const { sub } = newGooglePerson(world);
    const first = await returnFromGoogle(world, sub);
    const second = await returnFromGoogle(world, sub, { cookie: first.cookie });
    expect(second.cookie).toBe(first.cookie);
    await finish(world, { ...second, cookie: first.cookie }).expect(200);
    await finish(world, { ...first, cookie: second.cookie }).expect(200);
  });

  it.each(['x', 'a'.repeat(44), '%00'.repeat(10), ''])(
    'does not take the cookie %j for one of its own',
    async (value) => {
      const reply = await world.service
        .client()
        .post(START)
        .set('Cookie', `oauth_browser=${value}`)
        .expect(200);
      expect(cookieOf(reply).value).toMatch(/^[\w-]{43}$/);
      expect(cookieOf(reply).value).not.toBe(value);
    },
  );

  it('sends the browser back to another address of the allowed ones', async () => {
    const { sub, email } = newGooglePerson(world);
    const back = await returnFromGoogle(world, sub, { redirect_uri: OTHER_REDIRECT_URI });
    const { body } = await finish(world, back).expect(200);
    expect(body.user.email).toBe(email);
  });

  it.each([
    'https://evil.test/',
    `${REDIRECT_URI}/`,
    `${REDIRECT_URI}?next=x`,
    `${REDIRECT_URI}#x`,
    REDIRECT_URI.toUpperCase(),
    'http://app.test@evil.test/signed-in',
    'javascript:alert(1)',
    '',
  ])('sends no browser to %j', async (redirect_uri) => {
    await expectInvalid(world.service.client().post(START, { redirect_uri }), 'redirect_uri');
  });

  it('is for 60 tries in ten minutes from one address', async () => {
    const client = world.service.client();
    const replies = await Promise.all(Array.from({ length: 60 }, () => client.post(START)));
    expect(replies.map(({ status }) => status)).toEqual(Array(60).fill(200));
    await expectProblem(client.post(START), 429, 'rate_limited');
  });

  it.each<[string, Record<string, string>]>([
    ['is not configured', { GOOGLE_OAUTH_CLIENT_ID: '', GOOGLE_OAUTH_CLIENT_SECRET: '' }],
    ['is switched off', { FEATURE_GOOGLE_OAUTH: 'false' }],
  ])('says so where Google %s', async (_what, settings) => {
    const without = await world.service.another(settings);
    try {
      await expectProblem(without.client().post(START), 404, 'google_not_configured');
      const body = { code: 'x', state: 'x' };
      await expectProblem(without.client().post(CALLBACK, body), 404, 'google_not_configured');
    } finally {
      await without.stop();
    }
  });
});

describe('POST /v1/auth/oauth/google/callback', () => {
  it('makes an account for somebody new, and signs them in', async () => {
    const { service } = world;
    const { sub, email } = newGooglePerson(world);
    const { body, headers } = await signInWithGoogle(world, sub);
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: expect.stringMatching(/^[\w-]{90,}$/),
      session_id: expect.any(String),
      user: {
        user_id: expect.any(String),
        email,
        name: 'Asha Rao',
        status: 'active',
        roles: ['trader'],
        mfa_enabled: false,
        email_verified: true,
      },
      is_new_user: true,
    });
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['set-cookie']).toBeUndefined();
    const actor = `user:${body.user.user_id}`;
    expect(await eventsOf(service, body.user.user_id)).toEqual([
      { type: 'user.registered', actor, data: { method: 'google' } },
      { type: 'user.provider_linked', actor, data: { provider: 'google' } },
      { type: 'role.assigned', actor, data: { role: 'trader' } },
      {
        type: 'user.login',
        actor,
        data: { session_id: body.session_id, method: 'google', second_factor: null, new_device: false },
      },
      { type: 'session.created', actor, data: expect.objectContaining({ persistent: true }) },
    ]);
    expect(await accountOf(service, email)).toMatchObject({ password_hash: null, phone: null });
    const { body: me } = await service.client().get('/v1/users/me', body.access_token).expect(200);
    expect(me).toMatchObject({ oauth_providers: ['google'], email, email_verified: true });
  });

  it('keeps the refresh token in a persistent cookie unless asked otherwise', async () => {
    const { sub } = newGooglePerson(world);
    const reply = await signInWithGoogle(world, sub, {});
    expect(reply.body.refresh_token).toBeNull();
    const { name, attributes } = cookieOf(reply);
    expect(name).toBe('refresh_token');
    expect(attributes).toMatchObject({ samesite: 'Strict', httponly: true });
    expect(Number(attributes['max-age'])).toBeGreaterThan(89 * 86_400);
    await world.service.client().post('/v1/auth/refresh').set('Cookie', cookiesOf(reply)).expect(200);
    const brief = await signInWithGoogle(world, sub, { persist_session: false });
    expect(cookieOf(brief).attributes['max-age']).toBeUndefined();
    expect(brief.body.is_new_user).toBe(false);
  });

  it('recognises the device by its fingerprint', async () => {
    const { sub } = newGooglePerson(world);
    const { body } = await signInWithGoogle(world, sub, {
      token_delivery: 'body',
      device_fingerprint: 'laptop',
    });
    const { body: list } = await world.service
      .client()
      .get('/v1/auth/sessions', body.access_token)
      .expect(200);
    expect(list.sessions).toMatchObject([{ device_fingerprint: 'laptop', mfa_verified: false }]);
  });

  it('sets no cookie for a page that we do not know, and leaves the state as it is', async () => {
    const back = await returnFromGoogle(world, newGooglePerson(world).sub);
    await expectProblem(
      finish(world, back, {}).set('Origin', 'https://evil.test'),
      403,
      'origin_not_allowed',
    );
    await finish(world, back, {}).set('Origin', 'http://localhost:3000').expect(200);
  });

  it('takes a state once, also where the sign-in then failed', async () => {
    const { sub } = newGooglePerson(world);
    const back = await returnFromGoogle(world, sub);
    await finish(world, back).expect(200);
    await expectProblem(finish(world, back), 400, 'invalid_oauth_state');

    const next = await returnFromGoogle(world, sub);
    await expectProblem(finish(world, { ...next, code: 'wrong' }), 401, 'invalid_oauth_code');
    await expectProblem(finish(world, next), 400, 'invalid_oauth_state');
  });

  it('takes a state once, also where it comes twenty times at once', async () => {
    const back = await returnFromGoogle(world, newGooglePerson(world).sub);
    const replies = await Promise.all(Array.from({ length: 20 }, () => finish(world, back)));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(400)]);
  });

  it('takes a state from the browser alone that began', async () => {
    const { sub } = newGooglePerson(world);
    const stranger = await returnFromGoogle(world, newGooglePerson(world).sub);
    for (const cookie of [undefined, stranger.cookie, 'oauth_browser=x', 'oauth_browser=']) {
      const back = await returnFromGoogle(world, sub);
      await expectProblem(finish(world, { ...back, cookie }), 400, 'invalid_oauth_state');
    }
  });

  it.each(['', 'forged', 'A'.repeat(43), '*', '{x}'])(
    'takes no state that it did not make: %j',
    async (state) => {
      const back = await returnFromGoogle(world, newGooglePerson(world).sub);
      await expectProblem(finish(world, { ...back, state }), 400, 'invalid_oauth_state');
    },
  );

  it('takes no state that is older than ten minutes', async () => {
    const { redis } = world.service;
    const back = await returnFromGoogle(world, newGooglePerson(world).sub);
    for (const key of await redis.keys('oauth-state:*')) await redis.pexpire(key, 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await expectProblem(finish(world, back), 400, 'invalid_oauth_state');
  });

  it('takes a state that another instance has made', async () => {
    const other = await world.service.another();
    try {
      const back = await returnFromGoogle(world, newGooglePerson(world).sub);
      await finish({ ...world, service: other }, back).expect(200);
    } finally {
      await other.stop();
    }
  });

  it('takes a code once', async () => {
    const { sub } = newGooglePerson(world);
    const first = await returnFromGoogle(world, sub);
    await finish(world, first).expect(200);
    const second = await returnFromGoogle(world, sub);
    await expectProblem(finish(world, { ...second, code: first.code }), 401, 'invalid_oauth_code');
  });

  it('takes no code that was got in another flow: the provider asks for the verifier', async () => {
    const victim = await returnFromGoogle(world, newGooglePerson(world).sub);
    const attacker = await returnFromGoogle(world, newGooglePerson(world).sub);
    await expectProblem(finish(world, { ...attacker, code: victim.code }), 401, 'invalid_oauth_code');
  });

  it('asks for code and state: whoever pressed "Cancel" has no code', async () => {
    const { service, provider } = world;
    const begun = await service.client().post(START).expect(200);
    const back = await provider.cancel(begun.body.authorization_url);
    expect(Object.fromEntries(back.searchParams)).toMatchObject({
      error: 'access_denied',
      state: begun.body.state,
    });
    await expectInvalid(service.client().post(CALLBACK, { state: begun.body.state }), 'code');
    await expectInvalid(service.client().post(CALLBACK, { code: '' }), 'code', 'state');
  });

  it('asks for the second factor where the account has one, whatever it was entered with', async () => {
    const { service } = world;
    const { sub, email } = newGooglePerson(world);
    await signInWithGoogle(world, sub);
    await service.db.query(`UPDATE users SET mfa_enabled = true WHERE email = $1`, [email]);
    const { body, headers } = await signInWithGoogle(world, sub);
    expect(body).toEqual({
      status: 'mfa_required',
      mfa_token: expect.any(String),
      methods: ['totp', 'backup_code'],
      expires_in: 300,
      message: expect.any(String),
    });
    expect(headers['set-cookie']).toBeUndefined();
    const { id } = await accountOf(service, email);
    expect(await eventsOf(service, id as string, 'user.login')).toHaveLength(1);
  });

  it('makes one account for somebody new who comes several times at once', async () => {
    const { service } = world;
    const { sub, email } = newGooglePerson(world);
    const backs = await Promise.all(Array.from({ length: 6 }, () => returnFromGoogle(world, sub)));
    const replies = await Promise.all(backs.map((back) => finish(world, back)));
    expect(replies.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(new Set(replies.map(({ body }) => body.user.user_id)).size).toBe(1);
    expect(replies.filter(({ body }) => body.is_new_user)).toHaveLength(1);
    const { id } = await accountOf(service, email);
    expect(await eventsOf(service, id as string, 'user.registered')).toHaveLength(1);
    expect(await eventsOf(service, id as string, 'user.provider_linked')).toHaveLength(1);
  });

  it('opens no session where the account was suspended while Google was asked', async () => {
    const { service } = world;
    const { sub, email } = newGooglePerson(world);
    await signInWithGoogle(world, sub);
    const accounts = service.app.get(LinkIdentity, { strict: false });
    const run = accounts.run.bind(accounts);
    jest.spyOn(accounts, 'run').mockImplementationOnce(async (...args) => {
      const linked = await run(...args);
      await setStatus(service, email, 'suspended');
      return linked;
    });
    const back = await returnFromGoogle(world, sub);
    await expectProblem(finish(world, back), 400, 'invalid_oauth_state');
  });

  it('is for 60 tries in ten minutes from one address', async () => {
    const client = world.service.client();
    const call = () => client.post(CALLBACK, { code: 'x', state: 'x' });
    const replies = await Promise.all(Array.from({ length: 60 }, call));
    expect(replies.map(({ status }) => status)).toEqual(Array(60).fill(400));
    await expectProblem(call(), 429, 'rate_limited');
  });
});
