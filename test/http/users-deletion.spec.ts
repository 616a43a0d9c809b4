import { PurgeDeleted } from '../../src/users/purge-deleted';
import { accountOf, eventsOf } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { cookieOf } from '../support/cookie';
import { askForReset, mailsSent } from '../support/mailed-links';
import {
  isSignedIn,
  newAdministrator,
  newSignedIn,
  PASSWORD,
  register,
  SignedIn,
  signIn,
} from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { proveTotp, turnOnTotp } from '../support/second-factor';
import { newKey, newServiceAccount, withKey } from '../support/services';
import { newSupporter } from '../support/support-role';

const ME = '/v1/users/me';
const DELETED = { message: 'The account was deleted.', trading_accounts_unlinked: 0 };
const UNKNOWN = '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';

describe('the deletion of an account', () => {
  let service: TestService;
  let admin: SignedIn;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
  });
  afterAll(() => service.stop());

  const deleteMe = (who: SignedIn, body?: object, token?: string) => {
    const call = service.client().delete(ME, who.accessToken);
    if (token !== undefined) call.set('X-Verification-Token', token);
    return body === undefined ? call : call.send(body);
  };
  const remove = (userId: string, by: SignedIn) =>
    service.client().delete(`/v1/users/${userId}`, by.accessToken);

  const rowsOf = async (table: string, userId: string): Promise<number> => {
    const [{ count }] = await service.db.query<[{ count: number }]>(
      `SELECT count(*)::int FROM ${table} WHERE user_id = $1`,
      [userId],
    );
    return count;
  };

  /** Whatever deletes it: an account that was deleted is gone for everybody. */
  async function expectGone({ userId, person, accessToken, refreshToken }: SignedIn): Promise<void> {
    expect(await isSignedIn(service, accessToken)).toBe(false);
    const { email, password } = person;
    await expectProblem(
      service.client().post('/v1/auth/refresh', { refresh_token: refreshToken }),
      401,
      'invalid_refresh_token',
    );
    await expectProblem(
      service.client().post('/v1/auth/login', { email, password }),
      401,
      'invalid_credentials',
    );
    for (const path of [
      `/v1/users/${userId}`,
      `/v1/users/profile/${userId}`,
      `/v1/users/${userId}/sessions`,
    ]) {
      await expectProblem(service.client().get(path, admin.accessToken), 404, 'not_found');
    }
    for (const verb of ['suspend', 'reactivate', 'mfa/reset']) {
      const call = service.client().post(`/v1/users/${userId}/${verb}`, {}, admin.accessToken);
      await expectProblem(call, 404, 'not_found');
    }
    await expectProblem(remove(userId, admin), 404, 'not_found');
    const sessions = service.client().delete(`/v1/users/${userId}/sessions`, admin.accessToken);
    await expectProblem(sessions, 404, 'not_found');
    const { body } = await service.client().get(`/v1/users?email=${email}`, admin.accessToken).expect(200);
    expect(body.items).toEqual([]);
  }

  describe('DELETE /v1/users/me', () => {
    it('ends every session at once, clears the cookie, and tells the owner', async () => {
      const me = await newSignedIn(service);
      const elsewhere = await signIn(service, me.person);
      const reply = await deleteMe(me, { password: PASSWORD }).expect(200);
      expect(reply.body).toEqual({ ...DELETED, sessions_revoked: 2 });
      const cookie = cookieOf(reply);
      expect([cookie.name, cookie.value]).toEqual([service.config.SESSION_COOKIE_NAME, '']);
      expect(new Date(String(cookie.attributes.expires)).getTime()).toBeLessThan(Date.now());
      expect(cookie.attributes.path).toBe('/v1/auth');
      await expectGone(me);
      await expectGone(elsewhere);
      const mail = await service.mailTo(me.person.email, /deleted/);
      expect(mail.subject).toBe('Your account was deleted');
      const actor = `user:${me.userId}`;
      expect((await eventsOf(service, me.userId)).slice(-2)).toEqual([
        {
          type: 'user.deleted',
          actor,
          data: { sessions_revoked: 2, api_keys_revoked: 0, trading_accounts_unlinked: 0 },
        },
        {
          type: 'session.revoked',
          actor,
          data: {
            reason: 'account_deleted',
            session_ids: expect.arrayContaining([me.sessionId, elsewhere.sessionId]),
            before_epoch: 1,
            kept_session_ids: [],
          },
        },
      ]);
      expect(mail.text).toMatch(/profile will be erased in 30 days/);
      // It opens no other door of the owner's either.
      expect(await accountOf(service, me.person.email)).toMatchObject({
        status: 'deleted',
        purged_at: null,
        password_hash: null,
        password_changed_at: null,
      });
      for (const table of ['known_devices', 'user_roles', 'user_permissions']) {
        expect(await rowsOf(table, me.userId)).toBe(0);
      }
    });

    it('frees the address for a new account at once', async () => {
      const me = await newSignedIn(service);
      await deleteMe(me, { password: PASSWORD }).expect(200);
      await register(service, me.person);
      const anew = await signIn(service, me.person);
      expect(anew.userId).not.toBe(me.userId);
      const { body } = await service.client().get(ME, anew.accessToken).expect(200);
      expect(body).toMatchObject({ email: me.person.email, email_verified: false });
      // Any number of times.
      await deleteMe(anew, { password: PASSWORD }).expect(200);
      await register(service, me.person);
    });

    it('makes links worthless that were mailed before', async () => {
      const me = await newSignedIn(service);
      const token = await askForReset(service, me.person.email);
      await deleteMe(me, { password: PASSWORD }).expect(200);
      await register(service, me.person);
      await expectProblem(
        service.client().post('/v1/auth/password/reset', { token, new_password: 'Kaveri-Morning-77?' }),
        400,
        'invalid_reset_token',
      );
      await signIn(service, me.person);
    });

    it('unlinks the account at a provider, so that it can sign up anew', async () => {
      const me = await newSignedIn(service);
      const link = (userId: string) =>
        service.db.query(`INSERT INTO auth_providers VALUES ('google', $2, $1, now())`, [
          userId,
          `g-${me.userId}`,
        ]);
      await link(me.userId);
      await deleteMe(me, { password: PASSWORD }).expect(200);
      expect(await rowsOf('auth_providers', me.userId)).toBe(0);
      await link((await newSignedIn(service)).userId);
    });

    it('wants the password of whoever has one', async () => {
      const me = await newSignedIn(service);
      for (const body of [undefined, {}, { current_password: PASSWORD }]) {
        const refused = await deleteMe(me, body).expect(403);
        expect(refused.body).toMatchObject({ code: 'verification_required', methods: ['password'] });
      }
      await deleteMe(me, undefined, 'made-up').expect(403);
      await expectProblem(deleteMe(me, { password: 'Wrong-Password-1!' }), 403, 'invalid_current_password');
      expect(await isSignedIn(service, me.accessToken)).toBe(true);
      expect(await accountOf(service, me.person.email)).toMatchObject({ status: 'pending_verification' });
      expect(await eventsOf(service, me.userId, 'user.deleted')).toEqual([]);
    });

    it('takes five wrong passwords, and then none for a while', async () => {
      const me = await newSignedIn(service);
      for (let i = 0; i < 5; i++) await deleteMe(me, { password: `Wrong-Password-${i}!` }).expect(403);
      await expectProblem(deleteMe(me, { password: PASSWORD }), 429, 'rate_limited');
      expect(await isSignedIn(service, me.accessToken)).toBe(true);
    });

    it('wants the second factor of whoever has one, and takes it away', async () => {
      const me = await newSignedIn(service);
      const secret = await turnOnTotp(service, me);
      const refused = await deleteMe(me, { password: PASSWORD }).expect(403);
      expect(refused.body).toMatchObject({
        code: 'verification_required',
        methods: expect.arrayContaining(['totp']),
      });
      const token = await proveTotp(service, me, secret);
      const other = await newSignedIn(service);
      // Bound to its owner's session.
      await deleteMe(other, {}, token).expect(403);
      await deleteMe(me, {}, token).expect(200);
      expect(await rowsOf('totp_factors', me.userId)).toBe(0);
      expect(await rowsOf('mfa_backup_codes', me.userId)).toBe(0);
      expect(await accountOf(service, me.person.email)).toMatchObject({ mfa_enabled: false });
      expect(await eventsOf(service, me.userId, 'mfa.disabled')).toEqual([
        { type: 'mfa.disabled', actor: `user:${me.userId}`, data: { reason: 'account_deleted' } },
      ]);
    });

    it('reads the body strictly', async () => {
      const me = await newSignedIn(service);
      await expectInvalid(deleteMe(me, { password: 7 }), 'password');
      await expectInvalid(deleteMe(me, { password: null }), 'password');
      await expectInvalid(deleteMe(me, { password: 'x'.repeat(1025) }), 'password');
      const raw = (type: string, text: string) =>
        service.client().delete(ME, me.accessToken).set('Content-Type', type).send(text);
      await expectProblem(raw('application/json', '{"password":'), 400, 'malformed_request');
      await expectProblem(raw('text/plain', PASSWORD), 415, 'unsupported_media_type');
      await expectProblem(
        raw('application/json', JSON.stringify({ password: 'x'.repeat(70_000) })),
        413,
        'payload_too_large',
      );
      await expectProblem(service.client().delete(ME), 401, 'not_authenticated');
      expect(await isSignedIn(service, me.accessToken)).toBe(true);
    });

    it('deletes once, however often it is called at once', async () => {
      const me = await newSignedIn(service);
      const replies = await Promise.all(
        Array.from({ length: 20 }, () => deleteMe(me, { password: PASSWORD }).then((reply) => reply)),
      );
      const statuses = replies.map(({ status }) => status);
      expect(statuses.filter((status) => status === 200)).toHaveLength(1);
      for (const status of statuses) expect([200, 401, 429]).toContain(status);
      expect(await eventsOf(service, me.userId, 'user.deleted')).toHaveLength(1);
      await mailsSent(service);
      const mails = (await service.mails(me.person.email)).filter(({ subject }) => /deleted/.test(subject));
      expect(mails).toHaveLength(1);
    });

    it('is no call for a service', async () => {
      const userId = await newServiceAccount(service, 'user:read');
      const { apiKey } = await newKey(service, admin, userId, ['user:read']);
      await expectProblem(withKey(service.client().delete(ME), apiKey), 403, 'session_required');
    });
  });

  describe('DELETE /v1/users/{user_id}', () => {
    it('ends every session at once, tells the owner, and says who did it', async () => {
      const somebody = await newSignedIn(service);
      const supporter = await newSupporter(service);
      const { body } = await remove(somebody.userId, supporter).expect(200);
      expect(body).toEqual({ ...DELETED, sessions_revoked: 1 });
      await expectGone(somebody);
      await service.mailTo(somebody.person.email, /^Your account was deleted$/);
      for (const { type, actor } of (await eventsOf(service, somebody.userId)).slice(-2)) {
        expect([type, actor]).toEqual([
          expect.stringMatching(/^(user\.deleted|session\.revoked)$/),
          `user:${supporter.userId}`,
        ]);
      }
    });

    it('revokes the API keys of a service, on every instance', async () => {
      const userId = await newServiceAccount(service, 'user:read');
      const keys = [
        await newKey(service, admin, userId, ['user:read'], { name: 'one' }),
        await newKey(service, admin, userId, ['user:read'], { name: 'two' }),
      ];
      const other = await service.another();
      const ask = (on: TestService, apiKey: string) =>
        withKey(on.client().get(`/v1/users/${admin.userId}`), apiKey);
      for (const { apiKey } of keys) await ask(other, apiKey).expect(200);
      const { body } = await remove(userId, admin).expect(200);
      expect(body.sessions_revoked).toBe(0);
      for (const { apiKey } of keys) {
        await expectProblem(ask(other, apiKey), 401, 'invalid_api_key');
        await expectProblem(ask(service, apiKey), 401, 'invalid_api_key');
      }
      await other.stop();
      const events = await eventsOf(service, userId);
      expect(events.filter(({ type }) => type === 'api_key.revoked')).toHaveLength(2);
      expect(events.find(({ type }) => type === 'user.deleted')?.data).toEqual({
        sessions_revoked: 0,
        api_keys_revoked: 2,
        trading_accounts_unlinked: 0,
      });
    });

    it('is refused for the own account, and to whoever may do less', async () => {
      const supporter = await newSupporter(service);
      await expectProblem(remove(admin.userId, admin), 403, 'escalation_refused');
      await expectProblem(remove(supporter.userId, supporter), 403, 'escalation_refused');
      await expectProblem(remove(admin.userId, supporter), 403, 'escalation_refused');
      expect(await isSignedIn(service, admin.accessToken)).toBe(true);
      const trader = await newSignedIn(service);
      await expectProblem(remove(supporter.userId, trader), 403, 'permission_denied');
      await expectProblem(remove(trader.userId, trader), 403, 'permission_denied');
      await expectProblem(service.client().delete(`/v1/users/${trader.userId}`), 401, 'not_authenticated');
    });

    it('answers 404 for an unknown account, a deleted one and what is no id', async () => {
      const gone = await newSignedIn(service);
      await remove(gone.userId, admin).expect(200);
      for (const id of [gone.userId, UNKNOWN, '1', '%00', 'ME']) {
        await expectProblem(remove(id, admin), 404, 'not_found');
      }
      expect(await eventsOf(service, gone.userId, 'user.deleted')).toHaveLength(1);
    });
  });

  it('ends a sign-in that was under way', async () => {
    const { person, userId } = await newSignedIn(service);
    const replies = await Promise.all([
      ...Array.from({ length: 4 }, () =>
        service
          .client()
          .post('/v1/auth/login', { email: person.email, password: PASSWORD, token_delivery: 'body' })
          .then((reply) => reply),
      ),
      remove(userId, admin).then((reply) => reply),
    ]);
    expect(replies.at(-1)!.status).toBe(200);
    for (const { status, body } of replies.slice(0, -1)) {
      expect([200, 401]).toContain(status);
      if (status === 200) expect(await isSignedIn(service, body.access_token as string)).toBe(false);
    }
  });
});

describe('an account without a password', () => {
  it('is deleted within five minutes of a sign-in, and later only after another one', async () => {
    const service = await startService();
    const [early, late] = [await newSignedIn(service), await newSignedIn(service)];
    await service.db.query(`UPDATE users SET password_hash = NULL`);
    await service.client().delete(ME, early.accessToken).expect(200);
    service.advance(301_000);
    const refused = await service.client().delete(ME, late.accessToken).expect(403);
    expect(refused.body).toMatchObject({ code: 'verification_required', methods: ['sign_in'] });
    expect(await isSignedIn(service, late.accessToken)).toBe(true);
    await service.stop();
  });
});

describe('the last administrator', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const ADMINISTRATORS = `FROM users JOIN user_roles ON user_id = id
    WHERE role = 'admin' AND status = 'active' AND deleted_at IS NULL`;
  const administrators = async (): Promise<number> => {
    const [{ count }] = await service.db.query<[{ count: number }]>(`SELECT count(*)::int ${ADMINISTRATORS}`);
    return count;
  };
  /** Two, and no others. */
  async function two(): Promise<[SignedIn, SignedIn]> {
    await service.db.query(`DELETE FROM user_roles WHERE role = 'admin'`);
    return [await newAdministrator(service), await newAdministrator(service)];
  }
  const deleteMe = (who: SignedIn) =>
    service.client().delete(ME, who.accessToken).send({ password: PASSWORD });

  it('cannot delete the own account, nor be deleted by somebody who may do as much', async () => {
    const [last, other] = await two();
    await deleteMe(other).expect(200);
    await expectProblem(deleteMe(last), 409, 'last_administrator');
    const equal = await newSignedIn(service);
    await service.db.query(
      `INSERT INTO user_permissions (id, user_id, permission, granted_by, granted_at)
       SELECT gen_random_uuid(), $1, name, 'system', now() FROM permissions`,
      [equal.userId],
    );
    const call = service.client().delete(`/v1/users/${last.userId}`, equal.accessToken);
    await expectProblem(call, 409, 'last_administrator');
    const suspend = service.client().post(`/v1/users/${last.userId}/suspend`, {}, equal.accessToken);
    await expectProblem(suspend, 409, 'last_administrator');
    expect(await isSignedIn(service, last.accessToken)).toBe(true);
    expect(await eventsOf(service, last.userId, 'user.deleted')).toEqual([]);
    expect(await eventsOf(service, last.userId, 'session.revoked')).toEqual([]);
    await newAdministrator(service);
    await deleteMe(last).expect(200);
  });

  it.each<[string, (a: SignedIn, b: SignedIn) => Promise<{ status: number; body: { code: string } }>]>([
    ['delete their own accounts', (a) => deleteMe(a).then((reply) => reply)],
    [
      'delete each other',
      (a, b) =>
        service
          .client()
          .delete(`/v1/users/${b.userId}`, a.accessToken)
          .then((reply) => reply),
    ],
    [
      'suspend each other',
      (a, b) =>
        service
          .client()
          .post(`/v1/users/${b.userId}/suspend`, {}, a.accessToken)
          .then((reply) => reply),
    ],
  ])('remains when two %s at once', async (_, act) => {
    for (let round = 0; round < 8; round++) {
      const [a, b] = await two();
      const replies = await Promise.all([act(a, b), act(b, a)]);
      const codes = replies.map(({ status, body }) => (status === 200 ? 'done' : body.code)).sort();
      expect(codes).toEqual([
        'done',
        expect.stringMatching(/^(last_administrator|invalid_access_token|permission_denied)$/),
      ]);
      expect(await administrators()).toBe(1);
    }
  });
});

describe('an account deleted 30 days ago', () => {
  it('is purged of what it said of its owner, and nothing brings it back', async () => {
    const service = await startService();
    const admin = await newAdministrator(service);
    const me = await newSignedIn(service);
    await service.client().delete(ME, me.accessToken).send({ password: PASSWORD }).expect(200);
    await mailsSent(service);
    service.advance(30 * 86_400_000 + 60_000);
    expect(await service.app.get(PurgeDeleted).run()).toBe(1);
    const { accessToken } = await signIn(service, admin.person);
    for (const path of [`/v1/users/${me.userId}`, `/v1/users/profile/${me.userId}`]) {
      await expectProblem(service.client().get(path, accessToken), 404, 'not_found');
      await expectProblem(service.client().delete(`/v1/users/${me.userId}`, accessToken), 404, 'not_found');
    }
    const reactivate = service.client().post(`/v1/users/${me.userId}/reactivate`, {}, accessToken);
    await expectProblem(reactivate, 404, 'not_found');
    const [row] = await service.db.query(`SELECT * FROM users WHERE id = $1`, [me.userId]);
    expect(JSON.stringify(row)).not.toContain(me.person.email);
    await service.stop();
  });
});
