import { startService, TestService } from './support/app';
import { newSignedIn, register, signIn } from './support/people';

describe('two instances on the same stores', () => {
  let one: TestService;
  let other: TestService;

  beforeAll(async () => {
    one = await startService();
    other = await one.another();
  });
  afterAll(async () => {
    await other.stop();
    await one.stop();
  });

  const me = (service: TestService, token: string) => service.client().get('/v1/users/me', token);

  it('accept each other’s access and refresh tokens', async () => {
    const { accessToken, refreshToken } = await newSignedIn(one);
    await me(other, accessToken).expect(200);
    const { body } = await other
      .client()
      .post('/v1/auth/refresh', { refresh_token: refreshToken })
      .expect(200);
    await me(one, body.access_token).expect(200);
  });

  it('publish the same keys', async () => {
    const [ours, theirs] = await Promise.all(
      [one, other].map((service) => service.client().get('/.well-known/jwks.json').expect(200)),
    );
    expect(theirs!.body).toEqual(ours!.body);
    expect(ours!.body.keys).toHaveLength(1);
  });

  it('refuse a session at once that ended on the other, though they have verified its token before', async () => {
    const { accessToken, refreshToken } = await newSignedIn(one);
    await me(other, accessToken).expect(200);
    await one.client().post('/v1/auth/logout', {}, accessToken).expect(200);
    const refused = await me(other, accessToken).expect(401);
    expect(refused.body.code).toBe('invalid_access_token');
    const unrefreshed = await other
      .client()
      .post('/v1/auth/refresh', { refresh_token: refreshToken })
      .expect(401);
    expect(unrefreshed.body.code).toBe('invalid_refresh_token');
  });

  it('end every session of a person on both, whichever is told to', async () => {
    const person = await register(one);
    const here = await signIn(one, person);
    const there = await signIn(other, person);
    const { body } = await other
      .client()
      .post('/v1/auth/logout', { all_devices: true }, there.accessToken)
      .expect(200);
    expect(body.sessions_revoked).toBe(2);
    await me(one, here.accessToken).expect(401);
    await me(one, there.accessToken).expect(401);
    await me(other, here.accessToken).expect(401);
  });

  it('count failed sign-ins together', async () => {
    const { email, password } = await register(one);
    const { ip } = one.client();
    const login = (service: TestService, secret: string) =>
      service.client().post('/v1/auth/login', { email, password: secret }).set('X-Forwarded-For', ip);
    for (let i = 0; i < 5; i++) await login(i % 2 ? one : other, 'Wrong-Password-1!').expect(401);
    for (const service of [one, other]) {
      const refused = await login(service, password).expect(429);
      expect(refused.body.code).toBe('rate_limited');
    }
  });

  it('count refreshes of a session together', async () => {
    let { refreshToken } = await newSignedIn(one);
    const refresh = (service: TestService) =>
      service.client().post('/v1/auth/refresh', { refresh_token: refreshToken });
    for (let i = 0; i < 10; i++) {
      const { body } = await refresh(i % 2 ? one : other).expect(200);
      refreshToken = body.refresh_token;
    }
    for (const service of [one, other]) {
      const refused = await refresh(service).expect(429);
      expect(refused.body.code).toBe('rate_limited');
    }
  });
});
