import { eventsOf } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { isSignedIn, newAdministrator, newSignedIn, SignedIn, signIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { turnOnTotp } from '../support/second-factor';
import { newServiceAccount } from '../support/services';
import { newSupporter } from '../support/support-role';

const UNKNOWN = '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';

describe('how somebody gets into an account', () => {
  let service: TestService;
  let admin: SignedIn;
  let supporter: SignedIn;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
    supporter = await newSupporter(service);
  });
  afterAll(() => service.stop());

  const sessionsOf = (userId: string, by = supporter) =>
    service.client().get(`/v1/users/${userId}/sessions`, by.accessToken);
  const endSessions = (userId: string, by = supporter) =>
    service.client().delete(`/v1/users/${userId}/sessions`, by.accessToken);
  const reset = (userId: string, by = supporter) =>
    service.client().post(`/v1/users/${userId}/mfa/reset`, {}, by.accessToken);

  it('is shown to administrators as to the owner', async () => {
    const me = await newSignedIn(service);
    await signIn(service, me.person);
    const { body: mine } = await service.client().get('/v1/auth/sessions', me.accessToken).expect(200);
    const { body } = await sessionsOf(me.userId).expect(200);
    expect(body.total).toBe(2);
    expect(body.sessions).toEqual(mine.sessions.map((session: object) => ({ ...session, current: false })));
    const { body: own } = await sessionsOf(supporter.userId).expect(200);
    expect((own.sessions as { current: boolean }[]).every(({ current }) => !current)).toBe(true);
    const { body: none } = await sessionsOf(await newServiceAccount(service)).expect(200);
    expect(none).toEqual({ sessions: [], total: 0 });
  });

  it('is over when an administrator says so', async () => {
    const me = await newSignedIn(service);
    const again = await signIn(service, me.person);
    const { body } = await endSessions(me.userId).expect(200);
    expect(body).toEqual({ message: 'Signed out everywhere.', sessions_revoked: 2 });
    for (const { accessToken, refreshToken } of [me, again]) {
      expect(await isSignedIn(service, accessToken)).toBe(false);
      const refresh = service.client().post('/v1/auth/refresh', { refresh_token: refreshToken });
      await expectProblem(refresh, 401, 'invalid_refresh_token');
    }
    expect(await eventsOf(service, me.userId, 'session.revoked')).toEqual([
      {
        type: 'session.revoked',
        actor: `user:${supporter.userId}`,
        data: {
          reason: 'revoked_by_admin',
          session_ids: expect.arrayContaining([me.sessionId, again.sessionId]),
          before_epoch: 1,
          kept_session_ids: [],
        },
      },
    ]);
    // The account stays as it is.
    await signIn(service, me.person);
    expect((await endSessions(me.userId).expect(200)).body.sessions_revoked).toBe(1);
    expect((await endSessions(me.userId).expect(200)).body.sessions_revoked).toBe(0);
  });

  it('needs no second factor any more after a reset; the owner is told', async () => {
    const me = await newSignedIn(service);
    await turnOnTotp(service, me);
    const { email, password } = me.person;
    const login = () =>
      service.client().post('/v1/auth/login', { email, password, token_delivery: 'body' }).expect(200);
    expect((await login()).body.status).toBe('mfa_required');
    const { body } = await reset(me.userId).expect(200);
    expect(body).toMatchObject({ user_id: me.userId, mfa_enabled: false });
    expect(await isSignedIn(service, me.accessToken)).toBe(false);
    expect(await isSignedIn(service, (await login()).body.access_token as string)).toBe(true);
    expect(await eventsOf(service, me.userId, 'mfa.disabled')).toEqual([
      { type: 'mfa.disabled', actor: `user:${supporter.userId}`, data: { reason: 'reset' } },
    ]);
    await service.mailTo(email, /second factor|two-factor|authenticator/i);
    await expectProblem(reset(me.userId), 409, 'mfa_not_enabled');
    const list = service.client().post(`/v1/users/${me.userId}/mfa/reset`, [], supporter.accessToken);
    await expectInvalid(list, 'body');
  });

  it('is not for those to change who may do less, nor the factor for oneself', async () => {
    await turnOnTotp(service, admin);
    for (const act of [endSessions, reset]) {
      await expectProblem(act(admin.userId), 403, 'escalation_refused');
    }
    await expectProblem(reset(admin.userId, admin), 403, 'escalation_refused');
    await expectProblem(reset(supporter.userId), 403, 'escalation_refused');
    await sessionsOf(admin.userId).expect(200);
    expect(await isSignedIn(service, admin.accessToken)).toBe(true);
    const { body } = await service.client().get('/v1/users/me', admin.accessToken).expect(200);
    expect(body.mfa_enabled).toBe(true);
  });

  it('lets administrators sign themselves out', async () => {
    const other = await newSupporter(service);
    expect((await endSessions(other.userId, other).expect(200)).body.sessions_revoked).toBe(1);
    expect(await isSignedIn(service, other.accessToken)).toBe(false);
  });

  it('answers 404 for an unknown account and what is no id, 403 and 401 to others', async () => {
    const trader = await newSignedIn(service);
    for (const act of [sessionsOf, endSessions, reset]) {
      for (const id of [UNKNOWN, '1', '%00', 'me']) await expectProblem(act(id), 404, 'not_found');
      for (const id of [UNKNOWN, '1', trader.userId, admin.userId]) {
        await expectProblem(act(id, trader), 403, 'permission_denied');
      }
    }
    const path = `/v1/users/${trader.userId}`;
    await expectProblem(service.client().get(`${path}/sessions`), 401, 'not_authenticated');
    await expectProblem(service.client().delete(`${path}/sessions`), 401, 'not_authenticated');
    await expectProblem(service.client().post(`${path}/mfa/reset`, {}), 401, 'not_authenticated');
    expect(await isSignedIn(service, trader.accessToken)).toBe(true);
  });
});
