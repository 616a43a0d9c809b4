import { PasswordHasher } from '../../src/passwords/password-hasher';
import { accountOf, eventsOf } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { mailsSent } from '../support/mailed-links';
import {
  isSignedIn,
  newAdministrator,
  newSignedIn,
  newVerified,
  Person,
  SignedIn,
  signIn,
  tokenIn,
} from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { newKey, newServiceAccount, withKey } from '../support/services';
import { newSupporter } from '../support/support-role';

const UNKNOWN = '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';

describe('the suspension of an account', () => {
  let service: TestService;
  let admin: SignedIn;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
  });
  afterAll(() => service.stop());

  const call = (verb: string, userId: string, by = admin, body: object = {}) =>
    service.client().post(`/v1/users/${userId}/${verb}`, body, by.accessToken);
  const suspend = (userId: string, by = admin, body: object = {}) => call('suspend', userId, by, body);
  const reactivate = (userId: string, by = admin) => call('reactivate', userId, by);
  const login = ({ email, password }: Person) => service.client().post('/v1/auth/login', { email, password });
  const changesOf = async (userId: string) =>
    (await eventsOf(service, userId)).filter(({ type }) => /^user\.(suspended|reactivated)$/.test(type));

  it('signs its owner out at once, everywhere, and keeps them out', async () => {
    const other = await service.another();
    const me = await newVerified(service);
    const elsewhere = await signIn(other, me.person);
    const { body } = await suspend(me.userId).expect(200);
    expect(body).toMatchObject({ user_id: me.userId, status: 'suspended', roles: ['trader'] });
    for (const { accessToken, refreshToken } of [me, elsewhere]) {
      for (const on of [service, other]) {
        expect(await isSignedIn(on, accessToken)).toBe(false);
        const refresh = on.client().post('/v1/auth/refresh', { refresh_token: refreshToken });
        await expectProblem(refresh, 401, 'invalid_refresh_token');
      }
    }
    await expectProblem(login(me.person), 403, 'account_suspended');
    // Only whoever knows the password hears of it.
    await expectProblem(login({ ...me.person, password: 'Wrong-Password-1!' }), 401, 'invalid_credentials');
    await other.stop();
  });

  it('is an event with its actor and its reason; the owner is mailed, without the reason', async () => {
    const supporter = await newSupporter(service);
    const me = await newSignedIn(service);
    await suspend(me.userId, supporter, { reason: 'Chargeback 4711', status: 'deleted' }).expect(200);
    const actor = `user:${supporter.userId}`;
    expect((await eventsOf(service, me.userId)).slice(-2)).toEqual([
      { type: 'user.suspended', actor, data: { reason: 'Chargeback 4711' } },
      {
        type: 'session.revoked',
        actor,
        data: {
          reason: 'account_suspended',
          session_ids: [me.sessionId],
          before_epoch: 1,
          kept_session_ids: [],
        },
      },
    ]);
    const mail = await service.mailTo(me.person.email, /suspended/);
    expect(mail.subject).toBe('Your account was suspended');
    expect(mail.text + mail.html).not.toContain('4711');
  });

  it('is one change and one event, however often it is asked for at once', async () => {
    const me = await newSignedIn(service);
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => suspend(me.userId).then(({ status, body }) => [status, body.status])),
    );
    expect(replies).toEqual(Array(20).fill([200, 'suspended']));
    await suspend(me.userId, admin, { reason: 'again' }).expect(200);
    expect(await changesOf(me.userId)).toMatchObject([{ type: 'user.suspended', data: { reason: null } }]);
    expect(await eventsOf(service, me.userId, 'session.revoked')).toHaveLength(1);
    expect(await accountOf(service, me.person.email)).toMatchObject({ session_epoch: 1 });
    await mailsSent(service);
    const mails = (await service.mails(me.person.email)).filter(({ subject }) => /suspended/.test(subject));
    expect(mails).toHaveLength(1);
  });

  it('ends with the state that the account had', async () => {
    const [verified, pending] = [await newVerified(service), await newSignedIn(service)];
    const userId = await newServiceAccount(service);
    for (const [id, status] of [
      [verified.userId, 'active'],
      [pending.userId, 'pending_verification'],
      [userId, 'active'],
    ] as const) {
      await suspend(id).expect(200);
      expect((await reactivate(id).expect(200)).body).toMatchObject({ user_id: id, status });
      expect((await reactivate(id).expect(200)).body).toMatchObject({ status });
      expect(await changesOf(id)).toEqual([
        { type: 'user.suspended', actor: `user:${admin.userId}`, data: { reason: null } },
        { type: 'user.reactivated', actor: `user:${admin.userId}`, data: {} },
      ]);
    }
    // The sessions of before stay over.
    expect(await isSignedIn(service, verified.accessToken)).toBe(false);
    await signIn(service, verified.person);
    await service.mailTo(verified.person.email, /^Your account is open again$/);
  });

  it('changes nothing about an account that is not suspended when it is opened again', async () => {
    const me = await newVerified(service);
    const before = await accountOf(service, me.person.email);
    expect((await reactivate(me.userId).expect(200)).body.status).toBe('active');
    expect(await accountOf(service, me.person.email)).toEqual(before);
    expect(await changesOf(me.userId)).toEqual([]);
    expect(await isSignedIn(service, me.accessToken)).toBe(true);
  });

  it('stops the API keys of a service while it lasts, on every instance', async () => {
    const other = await service.another();
    const userId = await newServiceAccount(service, 'user:read');
    const { apiKey } = await newKey(service, admin, userId, ['user:read']);
    const ask = (on: TestService) => withKey(on.client().get(`/v1/users/${userId}`), apiKey);
    await ask(other).expect(200);
    await suspend(userId).expect(200);
    for (const on of [service, other]) await expectProblem(ask(on), 401, 'invalid_api_key');
    await reactivate(userId).expect(200);
    for (const on of [service, other]) await ask(on).expect(200);
    await other.stop();
  });

  it('takes the permissions of a supporter away at once', async () => {
    const supporter = await newSupporter(service);
    const check = { user_id: supporter.userId, permission: 'user:write' };
    const ask = async () =>
      (await service.client().post('/v1/authz/check', check, admin.accessToken).expect(200)).body;
    expect(await ask()).toMatchObject({ allowed: true });
    await suspend(supporter.userId).expect(200);
    expect(await ask()).toMatchObject({ allowed: false, reason: 'account_not_active' });
    await expectProblem(suspend(UNKNOWN, supporter), 401, 'invalid_access_token');
    await reactivate(supporter.userId).expect(200);
    expect(await ask()).toMatchObject({ allowed: true });
  });

  it('leaves no way around: links that were mailed before open nothing', async () => {
    const me = await newSignedIn(service);
    const { email } = me.person;
    const verification = tokenIn(await service.mailTo(email, /verify/i));
    await service.client().post('/v1/auth/password/reset-request', { email }).expect(200);
    const reset = tokenIn(await service.mailTo(email, /reset/i));
    await suspend(me.userId).expect(200);
    await expectProblem(
      service.client().post('/v1/auth/password/reset', { token: reset, new_password: 'Kaveri-Morning-77?' }),
      400,
      'invalid_reset_token',
    );
    await expectProblem(
      service.client().post('/v1/auth/email/verify', { token: verification }),
      400,
      'invalid_verification_token',
    );
    expect(await accountOf(service, email)).toMatchObject({ status: 'suspended', email_verified_at: null });
  });

  it('ends a sign-in that was under way', async () => {
    const { person, userId } = await newSignedIn(service);
    const hasher = service.app.get(PasswordHasher);
    const verify = hasher.verify.bind(hasher);
    let release = (): void => undefined;
    const suspended = new Promise<void>((resolve) => (release = resolve));
    // Held between the check of the password and the session, as on a busy machine.
    const held = jest.spyOn(hasher, 'verify').mockImplementationOnce(async (...args) => {
      const right = await verify(...args);
      await suspended;
      return right;
    });
    const under = login(person).then((reply) => reply);
    while (held.mock.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await suspend(userId).expect(200);
    release();
    const { status, body } = await under;
    expect([status, body.code]).toEqual([401, 'invalid_credentials']);
    held.mockRestore();
    const { body: sessions } = await service
      .client()
      .get(`/v1/users/${userId}/sessions`, admin.accessToken)
      .expect(200);
    expect(sessions).toEqual({ sessions: [], total: 0 });
  });

  it('lets nobody in who signs in at the same moment', async () => {
    for (let round = 0; round < 5; round++) {
      const { person, userId } = await newSignedIn(service);
      const [done, ...tries] = await Promise.all([
        suspend(userId).then((reply) => reply),
        ...Array.from({ length: 5 }, () => login(person).then((reply) => reply)),
      ]);
      expect(done.status).toBe(200);
      for (const { status, body } of tries) {
        expect([200, 401, 403]).toContain(status);
        if (status === 200) expect(await isSignedIn(service, body.access_token as string)).toBe(false);
      }
    }
  });

  it('is refused for the own account, and to whoever may do less', async () => {
    const supporter = await newSupporter(service);
    for (const act of [suspend, reactivate]) {
      await expectProblem(act(admin.userId, admin), 403, 'escalation_refused');
      await expectProblem(act(supporter.userId, supporter), 403, 'escalation_refused');
      await expectProblem(act(admin.userId, supporter), 403, 'escalation_refused');
    }
    expect(await isSignedIn(service, admin.accessToken)).toBe(true);
    // Not even while that one is suspended and may do nothing.
    const boss = await newAdministrator(service);
    await suspend(boss.userId).expect(200);
    for (const act of [suspend, reactivate]) {
      await expectProblem(act(boss.userId, supporter), 403, 'escalation_refused');
    }
    expect(await accountOf(service, boss.person.email)).toMatchObject({ status: 'suspended' });
    await suspend((await newSupporter(service)).userId, supporter).expect(200);
  });

  it('is refused to a service by what its key allows, not by what the service may do', async () => {
    const userId = await newServiceAccount(service, 'user:read', 'user:write', 'audit:read');
    const { apiKey } = await newKey(service, admin, userId, ['user:read', 'user:write']);
    const auditor = await newServiceAccount(service, 'audit:read');
    const plain = await newServiceAccount(service);
    const ask = (id: string) => withKey(service.client().post(`/v1/users/${id}/suspend`, {}), apiKey);
    await expectProblem(ask(auditor), 403, 'escalation_refused');
    await ask(plain).expect(200);
    expect((await changesOf(plain))[0]!.actor).toBe(`user:${userId}`);
  });

  it('answers 404 for an unknown account and what is no id, 403 and 401 to others', async () => {
    const trader = await newSignedIn(service);
    for (const act of [suspend, reactivate]) {
      for (const id of [UNKNOWN, '1', '%00', 'me']) await expectProblem(act(id), 404, 'not_found');
      for (const id of [UNKNOWN, '1', trader.userId, admin.userId]) {
        await expectProblem(act(id, trader), 403, 'permission_denied');
      }
    }
    for (const verb of ['suspend', 'reactivate']) {
      const anonymous = service.client().post(`/v1/users/${trader.userId}/${verb}`, {});
      await expectProblem(anonymous, 401, 'not_authenticated');
    }
    expect(await isSignedIn(service, trader.accessToken)).toBe(true);
  });

  it.each([null, '', 'x'.repeat(501), 7, ['x'], 'a\0b', '\ud800'])(
    'refuses the reason %j',
    async (reason) => {
      const { userId, accessToken } = await newSignedIn(service);
      await expectInvalid(suspend(userId, admin, { reason }), 'reason');
      expect(await isSignedIn(service, accessToken)).toBe(true);
    },
  );

  it('needs no body', async () => {
    const { userId, person } = await newSignedIn(service);
    for (const verb of ['suspend', 'reactivate']) {
      const bare = service.client().post(`/v1/users/${userId}/${verb}`, undefined, admin.accessToken);
      await bare.expect(200);
    }
    await signIn(service, person);
    for (const verb of ['suspend', 'reactivate']) await expectInvalid(call(verb, userId, admin, []), 'body');
  });
});
