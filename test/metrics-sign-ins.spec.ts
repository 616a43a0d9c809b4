import { setStatus } from './support/account-rows';
import { startService, TestService } from './support/app';
import { beginSignIn, newGuarded } from './support/authenticator';
import {
  finish,
  newGooglePerson,
  returnFromGoogle,
  signInWithGoogle,
  startGoogleWorld,
} from './support/google-flow';
import { newAdministrator, newPerson, newSignedIn, PASSWORD, register, signIn } from './support/people';
import { growthDuring } from './support/prometheus-text';
import { newKey, newServiceAccount, withKey } from './support/services';

const SIGN_INS = 'user_service_sign_ins_total';
const FACTORS = 'user_service_second_factors_total';
const REFRESHES = 'user_service_refreshes_total';
const ENDED = 'user_service_sessions_ended_total';
const REFUSALS = 'user_service_limit_refusals_total';
const KEYS = 'user_service_api_key_requests_total';

describe('/metrics', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ RATELIMIT_REFRESH_ATTEMPTS: '4' });
  });
  afterAll(() => service.stop());

  const grows = (work: () => PromiseLike<unknown>) => growthDuring(service, work);
  const login = (email: string, password = PASSWORD, client = service.client()) =>
    client.post('/v1/auth/login', { email, password });
  const refresh = (token: string) => service.client().post('/v1/auth/refresh', { refresh_token: token });
  const verify = (token: string, code: string) =>
    service.client().post('/v1/auth/mfa/verify', { mfa_token: token, code });

  describe('of sign-ins', () => {
    it('count a success and the session it opens', async () => {
      const { email } = await register(service);
      const grown = await grows(() => login(email).expect(200));
      expect(grown(SIGN_INS, { method: 'password', result: 'success' })).toBe(1);
      expect(grown('user_service_sessions_opened_total')).toBe(1);
    });

    it('tell no unknown account from a wrong password', async () => {
      const { email } = await register(service);
      const wrong = await grows(() => login(email, 'Wrong-Password-1!').expect(401));
      const unknown = await grows(() => login(newPerson().email).expect(401));
      for (const grown of [wrong, unknown]) {
        expect(grown(SIGN_INS, { method: 'password', result: 'invalid_credentials' })).toBe(1);
        expect(grown(SIGN_INS, { method: 'password', result: 'success' })).toBe(0);
        expect(grown('user_service_sessions_opened_total')).toBe(0);
      }
    });

    it('count those that the state of the account refuses, and those that the limit does', async () => {
      const { email } = await register(service);
      await setStatus(service, email, 'suspended');
      const suspended = await grows(() => login(email).expect(403));
      expect(suspended(SIGN_INS, { method: 'password', result: 'refused' })).toBe(1);
      const client = service.client();
      const locked = await grows(async () => {
        for (let i = 0; i < 5; i++) await login(email, 'Wrong-Password-1!', client).expect(401);
        await login(email, PASSWORD, client).expect(429);
      });
      expect(locked(SIGN_INS, { method: 'password', result: 'locked' })).toBe(1);
      expect(locked(SIGN_INS, { method: 'password', result: 'invalid_credentials' })).toBe(5);
      expect(locked(REFUSALS, { limit: 'login' })).toBe(1);
      expect(locked(REFUSALS, { limit: 'login-account' })).toBe(0);
    });

    it('count the question for a second factor as no success, and the answer as one', async () => {
      const { member, phone } = await newGuarded(service);
      let token = '';
      const asked = await grows(async () => (token = await beginSignIn(service, member.person)));
      expect(asked(SIGN_INS, { method: 'password', result: 'mfa_required' })).toBe(1);
      expect(asked(SIGN_INS, { method: 'password', result: 'success' })).toBe(0);
      const answered = await grows(() => verify(token, phone.nextCode()).expect(200));
      expect(answered(SIGN_INS, { method: 'password', result: 'success' })).toBe(1);
      expect(answered('user_service_sessions_opened_total')).toBe(1);
    });
  });

  describe('of sign-ins with Google', () => {
    it('count them apart, by result', async () => {
      const world = await startGoogleWorld();
      const growth = (work: () => PromiseLike<unknown>) => growthDuring(world.service, work);
      const person = newGooglePerson(world);
      const good = await growth(() => signInWithGoogle(world, person.sub));
      expect(good(SIGN_INS, { method: 'google', result: 'success' })).toBe(1);
      expect(good(SIGN_INS, { method: 'password', result: 'success' })).toBe(0);
      const unverified = newGooglePerson(world, { email_verified: false });
      const bad = await growth(async () => {
        await finish(world, await returnFromGoogle(world, unverified.sub)).expect(403);
        await finish(world, { code: 'x', state: 'y' }).expect(400);
      });
      expect(bad(SIGN_INS, { method: 'google', result: 'refused' })).toBe(1);
      expect(bad(SIGN_INS, { method: 'google', result: 'invalid_credentials' })).toBe(1);
      await world.stop();
    });
  });

  describe('of second factors', () => {
    it('count codes by kind and result, at a sign-in and later', async () => {
      const { member, phone, backupCodes } = await newGuarded(service);
      const grown = await grows(async () => {
        const first = await beginSignIn(service, member.person);
        await verify(first, phone.wrongCode()).expect(401);
        await verify(first, backupCodes[0]!).expect(200);
        const second = await beginSignIn(service, member.person);
        await verify(second, backupCodes[0]!).expect(401);
        const body = { code: phone.nextCode() };
        await service.client().post('/v1/mfa/totp/verify', body, member.accessToken).expect(200);
      });
      expect(grown(FACTORS, { method: 'totp', result: 'success' })).toBe(1);
      expect(grown(FACTORS, { method: 'totp', result: 'invalid' })).toBe(1);
      expect(grown(FACTORS, { method: 'backup_code', result: 'success' })).toBe(1);
      expect(grown(FACTORS, { method: 'backup_code', result: 'invalid' })).toBe(1);
    });

    it('count those that the limit of wrong codes refuses', async () => {
      const { member, phone } = await newGuarded(service);
      const code = phone.wrongCode();
      const attempt = () => service.client().post('/v1/mfa/totp/verify', { code }, member.accessToken);
      const grown = await grows(async () => {
        for (let i = 0; i < 10; i++) await attempt().expect(401);
        await attempt().expect(429);
      });
      expect(grown(FACTORS, { method: 'totp', result: 'locked' })).toBe(1);
      expect(grown(FACTORS, { method: 'totp', result: 'invalid' })).toBe(10);
      expect(grown(REFUSALS, { limit: 'mfa-code' })).toBe(1);
    });
  });

  describe('of sessions', () => {
    it('count refreshes by what became of them', async () => {
      const { refreshToken } = await newSignedIn(service);
      const grown = await grows(async () => {
        const { body } = await refresh(refreshToken).expect(200);
        await refresh(body.refresh_token).expect(200);
        await refresh(`${refreshToken}x`).expect(401);
        await refresh(refreshToken).expect(401);
        await refresh(body.refresh_token).expect(401);
      });
      expect(grown(REFRESHES, { result: 'rotated' })).toBe(2);
      expect(grown(REFRESHES, { result: 'reused' })).toBe(1);
      expect(grown(REFRESHES, { result: 'invalid' })).toBe(2);
      expect(grown(ENDED, { reason: 'refresh_reuse' })).toBe(1);
      const other = await newSignedIn(service);
      const limited = await grows(async () => {
        let token = other.refreshToken;
        for (let i = 0; i < 4; i++) token = (await refresh(token).expect(200)).body.refresh_token;
        await refresh(token).expect(429);
      });
      expect(limited(REFRESHES, { result: 'limited' })).toBe(1);
    });

    it('count how many ended, by reason', async () => {
      const first = await newSignedIn(service);
      const sessions = [first, await signIn(service, first.person), await signIn(service, first.person)];
      const one = await grows(() =>
        service.client().delete(`/v1/auth/sessions/${sessions[1]!.sessionId}`, first.accessToken).expect(204),
      );
      expect(one(ENDED, { reason: 'revoked_by_user' })).toBe(1);
      const rest = await grows(() =>
        service.client().post('/v1/auth/logout', { all_devices: true }, first.accessToken).expect(200),
      );
      expect(rest(ENDED, { reason: 'logout_all' })).toBe(2);
      expect(rest(ENDED, { reason: 'logout' })).toBe(0);
    });
  });

  describe('of API keys', () => {
    it('count requests by whether the key was good', async () => {
      const admin = await newAdministrator(service);
      const userId = await newServiceAccount(service, 'authz:check');
      const { apiKey, keyId } = await newKey(service, admin, userId, ['authz:check']);
      const ask = () => withKey(service.client().get('/v1/authz/permissions'), apiKey);
      const grown = await grows(async () => {
        await ask().expect(200);
        await service.client().delete(`/v1/api-keys/${keyId}`, admin.accessToken).expect(204);
        await ask().expect(401);
        await withKey(service.client().get('/v1/authz/permissions'), 'us_live_rubbish').expect(401);
      });
      expect(grown(KEYS, { result: 'accepted' })).toBe(1);
      expect(grown(KEYS, { result: 'refused' })).toBe(2);
    });
  });
});
