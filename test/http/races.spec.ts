import { CreateAdministrator } from '../../src/users/create-administrator.service';
import { PasswordHasher } from '../../src/passwords/password-hasher';
import { Relay } from '../../src/infra/events/relay';
import { SessionStore } from '../../src/sessions/session-store';
import { startService, TestService } from '../support/app';
import { newPerson, newSignedIn, PASSWORD, register, signIn } from '../support/people';

const NEW = 'Kaveri-Morning-77?';

describe('calls that meet', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ RATELIMIT_LOGIN_ATTEMPTS: '1000' });
  });
  afterAll(() => service.stop());

  it('lets people sign out everywhere, sign in and change their profile at once, without waiting for each other for ever', async () => {
    const { person } = await newSignedIn(service);
    for (let round = 0; round < 6; round++) {
      const [a, b] = await Promise.all([signIn(service, person), signIn(service, person)]);
      const replies = await Promise.all([
        service.client().post('/v1/auth/logout', { all_devices: true }, a.accessToken),
        service.client().post('/v1/auth/logout', { all_devices: true }, b.accessToken),
        service.client().patch('/v1/users/me', { name: `Asha ${'I'.repeat(round + 1)}` }, a.accessToken),
        ...Array.from({ length: 3 }, () =>
          service.client().post('/v1/auth/login', { email: person.email, password: person.password }),
        ),
      ]);
      // A sign-in or a call that loses against the sign-out hears 401; nobody hears of trouble.
      for (const { status } of replies) expect([200, 401]).toContain(status);
    }
  });

  it.each([true, false])(
    'refuses a sign-in with the old password that was under way while it changed (other sessions end: %s)',
    async (endOthers) => {
      const { person, accessToken } = await newSignedIn(service);
      const hasher = service.app.get(PasswordHasher);
      const verify = hasher.verify.bind(hasher);
      let release = (): void => undefined;
      const changed = new Promise<void>((resolve) => (release = resolve));
      // Held between the check of the password and the session, as on a busy machine.
      const held = jest.spyOn(hasher, 'verify').mockImplementationOnce(async (...args) => {
        const right = await verify(...args);
        await changed;
        return right;
      });
      const attack = service
        .client()
        .post('/v1/auth/login', { email: person.email, password: PASSWORD, token_delivery: 'body' })
        .then((reply) => reply);
      while (held.mock.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await service
        .client()
        .post(
          '/v1/users/change-password',
          { current_password: PASSWORD, new_password: NEW, revoke_other_sessions: endOthers },
          accessToken,
        )
        .expect(200);
      release();
      expect((await attack).status).toBe(401);
      await service.client().get('/v1/users/me', accessToken).expect(200);
      held.mockRestore();
    },
  );

  it('counts the addresses of one IPv6 subnet as one', async () => {
    const from = (host: number) =>
      service.client().post('/v1/auth/register', newPerson()).set('X-Forwarded-For', `2001:db8:1:2::${host}`);
    for (let host = 1; host <= 5; host++) await from(host).expect(201);
    await from(6).expect(429);
    await service
      .client()
      .post('/v1/auth/register', newPerson())
      .set('X-Forwarded-For', '2001:db8:1:3::1')
      .expect(201);
  });

  it('makes nobody an administrator who signed up with an address that is not proved to be theirs', async () => {
    const person = await register(service);
    const create = service.app.get(CreateAdministrator);
    await expect(create.run({ email: person.email, name: 'Boss' })).rejects.toMatchObject({
      code: 'conflict',
    });
    await service.db.query(`UPDATE users SET email_verified_at = now(), status = 'active' WHERE email = $1`, [
      person.email,
    ]);
    await expect(create.run({ email: person.email, name: 'Boss' })).resolves.toMatchObject({
      created: false,
    });
    const { accessToken } = await signIn(service, person);
    const { body } = await service.client().get('/v1/users/me', accessToken).expect(200);
    expect(body.roles).toEqual(['admin', 'trader']);
  });
});

describe('before anybody else has told Redis of a change of the password', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
    // It would tell Redis too.
    await service.app.get(Relay).onApplicationShutdown();
  });
  afterAll(() => service.stop());

  it.each([
    ['keeps', false, 200],
    ['ends', true, 401],
  ])('a refresh %s the session, as was asked', async (_, endOthers, status) => {
    const { person, accessToken } = await newSignedIn(service);
    const other = await signIn(service, person);
    const store = service.app.get(SessionStore);
    const revokeBefore = store.revokeBefore.bind(store);
    let release = (): void => undefined;
    const refreshed = new Promise<void>((resolve) => (release = resolve));
    const held = jest.spyOn(store, 'revokeBefore').mockImplementationOnce(async (...args) => {
      await refreshed;
      await revokeBefore(...args);
    });
    const changing = service
      .client()
      .post(
        '/v1/users/change-password',
        { current_password: PASSWORD, new_password: NEW, revoke_other_sessions: endOthers },
        accessToken,
      )
      .then((reply) => reply);
    while (held.mock.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const refresh = (token: string) => service.client().post('/v1/auth/refresh', { refresh_token: token });
    const reply = await refresh(other.refreshToken);
    release();
    held.mockRestore();
    expect(reply.status).toBe(status);
    expect((await changing).body).toMatchObject({ sessions_revoked: endOthers ? 1 : 0 });
    const { refresh_token: next } = reply.body as { refresh_token?: string };
    await refresh(next ?? other.refreshToken).expect(status);
  });
});
