import { startService, TestService } from '../support/app';
import { eventsOf } from '../support/account-rows';
import { cookieOf } from '../support/cookie';
import { isSignedIn, newSignedIn, register, signIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const PATH = '/v1/auth/logout';

describe('POST /v1/auth/logout', () => {
  let service: TestService;
  let secure: TestService;
  beforeAll(async () => {
    service = await startService();
    secure = await service.another({ PUBLIC_URL: 'https://id.test', JWT_ISSUER: 'http://id.test' });
  });
  afterAll(async () => {
    await secure.stop();
    await service.stop();
  });

  it('ends this session at once, and no other', async () => {
    const here = await newSignedIn(service);
    const there = await signIn(service, here.person);
    const { body } = await service.client().post(PATH, undefined, here.accessToken).expect(200);
    expect(body).toEqual({ message: 'Signed out.', sessions_revoked: 1 });
    expect(await isSignedIn(service, here.accessToken)).toBe(false);
    await expectProblem(
      service.client().post('/v1/auth/refresh', { refresh_token: here.refreshToken }),
      401,
      'invalid_refresh_token',
    );
    expect(await isSignedIn(service, there.accessToken)).toBe(true);
    const actor = `user:${here.userId}`;
    expect((await eventsOf(service, here.userId)).slice(-2)).toEqual([
      { type: 'user.logout', actor, data: { session_id: here.sessionId, all_devices: false } },
      { type: 'session.revoked', actor, data: { reason: 'logout', session_ids: [here.sessionId] } },
    ]);
  });

  it('ends every session of the user where asked to, and of nobody else', async () => {
    const here = await newSignedIn(service);
    const there = await signIn(service, here.person);
    const bystander = await newSignedIn(service);
    const { body } = await service.client().post(PATH, { all_devices: true }, here.accessToken).expect(200);
    expect(body).toEqual({ message: 'Signed out everywhere.', sessions_revoked: 2 });
    expect(await isSignedIn(service, here.accessToken)).toBe(false);
    expect(await isSignedIn(service, there.accessToken)).toBe(false);
    expect(await isSignedIn(service, bystander.accessToken)).toBe(true);
    const [event] = await eventsOf(service, here.userId, 'session.revoked');
    expect(event!.data).toMatchObject({ reason: 'logout_all' });
    expect([...(event!.data.session_ids as string[])].sort()).toEqual(
      [here.sessionId, there.sessionId].sort(),
    );
  });

  it('is in force on every instance at once', async () => {
    const { accessToken } = await newSignedIn(service);
    expect(await isSignedIn(secure, accessToken)).toBe(true);
    await service.client().post(PATH, {}, accessToken).expect(200);
    expect(await isSignedIn(secure, accessToken)).toBe(false);
  });

  it('clears the cookie, with the attributes it was set with', async () => {
    const { email, password } = await register(secure);
    const login = await secure.client().post('/v1/auth/login', { email, password }).expect(200);
    const set = cookieOf(login);
    const cleared = cookieOf(await secure.client().post(PATH, {}, login.body.access_token).expect(200));
    const { expires, 'max-age': maxAge, ...attributes } = cleared.attributes;
    expect({ name: cleared.name, attributes }).toEqual({ name: set.name, attributes: set.attributes });
    expect(cleared.value).toBe('');
    expect([new Date(String(expires)).getTime(), maxAge]).toEqual([0, '0']);
  });

  it('needs an access token that is good', async () => {
    const { accessToken, refreshToken } = await newSignedIn(service);
    const client = service.client();
    await expectProblem(client.post(PATH, {}), 401, 'not_authenticated');
    await expectProblem(client.post(PATH, {}, refreshToken), 401, 'invalid_access_token');
    await expectProblem(client.post(PATH, {}, `${accessToken}x`), 401, 'invalid_access_token');
    await client.post(PATH, {}, accessToken).expect(200);
    await expectProblem(client.post(PATH, {}, accessToken), 401, 'invalid_access_token');
  });

  it('refuses all_devices that is no boolean, and ends nothing', async () => {
    const { accessToken } = await newSignedIn(service);
    await expectInvalid(service.client().post(PATH, { all_devices: 'yes' }, accessToken), 'all_devices');
    expect(await isSignedIn(service, accessToken)).toBe(true);
  });
});
