import { randomUUID } from 'node:crypto';
import type { Test } from 'supertest';
import { Client, startService, TestService } from '../support/app';
import { accountOf } from '../support/account-rows';
import { askForReset, mailsSent } from '../support/mailed-links';
import { newPerson, newSignedIn, PASSWORD, register, SignedIn, signIn, tokenIn } from '../support/people';
import { refuseWrites } from '../support/refused-writes';
import { WHOLE_EVENTS } from '../support/whole-events';

const WRONG = 'Wrong-Password-1!';
const NEW = 'Kaveri-Morning-77?';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

interface Recorded {
  type: string;
  priority: string;
  subject: string;
  actor: string;
  data: Record<string, unknown>;
}

/** Makes one request, and answers what exactly that request has recorded, oldest first. */
async function recordedBy(status: number, ask: (client: Client) => Test): Promise<Recorded[]> {
  const client = service.client();
  const requestId = randomUUID();
  await ask(client).set('X-Request-ID', requestId).set('User-Agent', 'use-case/2.0').expect(status);
  await mailsSent(service);
  const rows = await service.db.query<
    (Recorded & { metadata: unknown; resource: unknown; source: string })[]
  >(
    `SELECT event_type AS type, priority, subject, actor, data, metadata, resource, source FROM ${WHOLE_EVENTS}
     WHERE metadata->>'request_id' = $1 ORDER BY "timestamp", event_id`,
    [requestId],
  );
  return rows.map(({ metadata, resource, source, ...event }) => {
    expect(metadata).toEqual({ request_id: requestId, ip: client.ip, user_agent: 'use-case/2.0' });
    expect([resource, source]).toEqual([null, 'user_service']);
    return event;
  });
}

const userOf = ({ userId }: { userId: string }): string => `user:${userId}`;
const subjectOf = async (email: string): Promise<string> =>
  `user:${(await accountOf(service, email)).id as string}`;

/** By the person themselves, about themselves. */
const own = (subject: string, type: string, data: object, priority = 'normal') => ({
  type,
  priority,
  subject,
  actor: subject,
  data,
});

describe('what a use case tells subscribers:', () => {
  it('a sign-up tells of the account and its role', async () => {
    const person = newPerson();
    const events = await recordedBy(201, (client) => client.post('/v1/auth/register', person));
    const subject = await subjectOf(person.email);
    expect(events).toEqual([
      own(subject, 'user.registered', { method: 'password' }),
      own(subject, 'role.assigned', { role: 'trader' }, 'high'),
    ]);
  });

  it('a verified address tells that it is', async () => {
    const { email } = await register(service);
    const token = tokenIn(await service.mailTo(email));
    const verify = (client: Client) => client.post('/v1/auth/email/verify', { token });
    expect(await recordedBy(200, verify)).toEqual([own(await subjectOf(email), 'user.email_verified', {})]);
    expect(await recordedBy(400, verify)).toEqual([]);
  });

  it.each([
    [false, 1],
    [true, 90],
  ])('a sign-in tells of itself and of its session, persistent: %s', async (persist_session, days) => {
    const { email, password } = await register(service);
    let sessionId = '';
    const before = Date.now();
    const events = await recordedBy(200, (client) =>
      client
        .post('/v1/auth/login', { email, password, persist_session })
        .expect(({ body }) => void (sessionId = body.session_id)),
    );
    const subject = await subjectOf(email);
    expect(events).toEqual([
      own(subject, 'user.login', {
        session_id: sessionId,
        method: 'password',
        second_factor: null,
        new_device: false,
      }),
      own(subject, 'session.created', {
        session_id: sessionId,
        persistent: persist_session,
        expires_at: expect.any(String),
      }),
    ]);
    const life = Date.parse(events[1]!.data.expires_at as string) - before;
    expect(Math.round(life / 86_400_000)).toBe(days);
  });

  it('a sign-in from a second device says that it is new', async () => {
    const { person } = await newSignedIn(service);
    const { email, password } = person;
    const [login] = await recordedBy(200, (client) => client.post('/v1/auth/login', { email, password }));
    expect(login!.data).toMatchObject({ new_device: true });
  });

  it('a failed sign-in tells of the account, by nobody', async () => {
    const { email } = await register(service);
    const login = (client: Client) => client.post('/v1/auth/login', { email, password: WRONG });
    expect(await recordedBy(401, login)).toEqual([
      {
        type: 'login.failed',
        priority: 'low',
        subject: await subjectOf(email),
        actor: 'anonymous',
        data: { reason: 'wrong_password' },
      },
    ]);
  });

  it('a failed sign-in to no account tells a digest that cannot be read back', async () => {
    const { email } = newPerson();
    const login = (client: Client) => client.post('/v1/auth/login', { email, password: WRONG });
    expect(await recordedBy(401, login)).toEqual([
      {
        type: 'login.failed',
        priority: 'low',
        subject: expect.stringMatching(/^address:[0-9a-f]{32}$/),
        actor: 'anonymous',
        data: { reason: 'unknown_account' },
      },
    ]);
  });

  it('a lock tells of itself once, and not of a failure as well', async () => {
    const { email } = await register(service);
    const { ip } = service.client();
    const wrong = { email, password: WRONG };
    for (let i = 0; i < 5; i++) {
      await service.client().post('/v1/auth/login', wrong).set('X-Forwarded-For', ip).expect(401);
    }
    const requestId = randomUUID();
    for (let i = 0; i < 2; i++) {
      await service
        .client()
        .post('/v1/auth/login', wrong)
        .set({ 'X-Forwarded-For': ip, 'X-Request-ID': requestId })
        .expect(429);
    }
    const events = await service.db.query(
      `SELECT event_type AS type, priority, subject, actor, data, metadata FROM ${WHOLE_EVENTS}
       WHERE metadata->>'request_id' = $1`,
      [requestId],
    );
    expect(events).toEqual([
      {
        type: 'login.locked',
        priority: 'high',
        subject: await subjectOf(email),
        actor: 'anonymous',
        data: { retry_after: expect.any(Number) },
        metadata: { request_id: requestId, ip, user_agent: 'test-browser/1.0' },
      },
    ]);
  });

  describe('somebody who is signed in', () => {
    let me: SignedIn;
    beforeEach(async () => {
      me = await newSignedIn(service);
    });

    it('and refreshes tells of nothing, until a token is used again', async () => {
      const refresh = (refresh_token: string) => (client: Client) =>
        client.post('/v1/auth/refresh', { refresh_token });
      expect(await recordedBy(200, refresh(me.refreshToken))).toEqual([]);
      service.advance(11_000);
      const revoked = {
        reason: 'refresh_reuse',
        session_ids: [me.sessionId],
        before_epoch: 1,
        kept_session_ids: [],
      };
      expect(await recordedBy(401, refresh(me.refreshToken))).toEqual([
        own(userOf(me), 'session.revoked', revoked),
      ]);
      expect(await recordedBy(401, refresh(me.refreshToken))).toEqual([]);
    });

    it('and signs out tells of it and of the session that is over', async () => {
      const logout = (client: Client) => client.post('/v1/auth/logout', {}, me.accessToken);
      expect(await recordedBy(200, logout)).toEqual([
        own(userOf(me), 'user.logout', { session_id: me.sessionId, all_devices: false }),
        own(userOf(me), 'session.revoked', { reason: 'logout', session_ids: [me.sessionId] }),
      ]);
      expect(await recordedBy(401, logout)).toEqual([]);
    });

    it('and signs out everywhere tells of all that is over', async () => {
      const other = await signIn(service, me.person);
      const events = await recordedBy(200, (client) =>
        client.post('/v1/auth/logout', { all_devices: true }, me.accessToken),
      );
      expect(events).toEqual([
        own(userOf(me), 'user.logout', { session_id: me.sessionId, all_devices: true }),
        own(userOf(me), 'session.revoked', {
          reason: 'logout_all',
          session_ids: expect.arrayContaining([me.sessionId, other.sessionId]),
          before_epoch: 1,
          kept_session_ids: [],
        }),
      ]);
    });

    it('and ends another session tells of that one', async () => {
      const { sessionId } = await signIn(service, me.person);
      const end = (client: Client) => client.delete(`/v1/auth/sessions/${sessionId}`, me.accessToken);
      expect(await recordedBy(204, end)).toEqual([
        own(userOf(me), 'session.revoked', { reason: 'revoked_by_user', session_ids: [sessionId] }),
      ]);
      expect(await recordedBy(404, end)).toEqual([]);
    });

    it('and changes the profile tells which fields, and not what they hold', async () => {
      const events = await recordedBy(200, (client) =>
        client.patch('/v1/users/me', { timezone: 'Asia/Kolkata' }, me.accessToken),
      );
      expect(events).toEqual([own(userOf(me), 'user.updated', { fields: ['timezone'] })]);
    });

    it('and changes the password tells of it, and of who may stay', async () => {
      const body = { current_password: PASSWORD, new_password: NEW };
      const events = await recordedBy(200, (client) =>
        client.post('/v1/users/change-password', body, me.accessToken),
      );
      expect(events).toEqual([
        own(userOf(me), 'password.changed', { sessions_revoked: 0 }, 'high'),
        own(userOf(me), 'session.revoked', {
          reason: 'password_changed',
          session_ids: [],
          before_epoch: 1,
          kept_session_ids: [me.sessionId],
        }),
      ]);
    });

    it('and asks for a reset is not taken for its owner, before the mail proves it', async () => {
      const { email } = me.person;
      const request = (client: Client) => client.post('/v1/auth/password/reset-request', { email });
      expect(await recordedBy(200, request)).toEqual([
        {
          type: 'password.reset_requested',
          priority: 'normal',
          subject: userOf(me),
          actor: 'anonymous',
          data: {},
        },
      ]);
      const token = tokenIn(await service.mailTo(email, /^Reset/));
      const reset = (client: Client) => client.post('/v1/auth/password/reset', { token, new_password: NEW });
      expect(await recordedBy(200, reset)).toEqual([
        own(userOf(me), 'password.reset_completed', { sessions_revoked: 1 }, 'high'),
        own(userOf(me), 'user.email_verified', {}),
        own(userOf(me), 'session.revoked', {
          reason: 'password_reset',
          session_ids: [me.sessionId],
          before_epoch: 1,
          kept_session_ids: [],
        }),
      ]);
    });
  });
});

describe('subscribers hear nothing of', () => {
  let me: SignedIn;
  let resetToken: string;
  beforeAll(async () => {
    me = await newSignedIn(service);
    resetToken = await askForReset(service, me.person.email);
  });

  const change = (body: object) => (client: Client) =>
    client.post('/v1/users/change-password', body, me.accessToken);
  const post =
    (path: string, body: () => object, token?: () => string) =>
    (client: Client): Test =>
      client.post(path, body(), token?.());

  it.each<[string, number, (client: Client) => Test]>([
    [
      'a sign-up with a weak password',
      422,
      post('/v1/auth/register', () => ({ ...newPerson(), password: 'a' })),
    ],
    ['a sign-up without a name', 422, post('/v1/auth/register', () => ({ ...newPerson(), name: '' }))],
    ['a sign-up with a taken address', 201, post('/v1/auth/register', () => me.person)],
    ['a sign-in without a password', 422, post('/v1/auth/login', () => ({ email: me.person.email }))],
    ['a wrong verification link', 400, post('/v1/auth/email/verify', () => ({ token: resetToken }))],
    [
      'a link that is asked for again',
      202,
      post('/v1/auth/email/resend', () => ({ email: me.person.email })),
    ],
    [
      'a refresh with a wrong token',
      401,
      post('/v1/auth/refresh', () => ({ refresh_token: me.accessToken })),
    ],
    ['a sign-out by nobody', 401, post('/v1/auth/logout', () => ({}))],
    [
      'a sign-out that is no request',
      422,
      post(
        '/v1/auth/logout',
        () => ({ all_devices: 'yes' }),
        () => me.accessToken,
      ),
    ],
    [
      'the end of a session that is nobody’s',
      404,
      (client) => client.delete('/v1/auth/sessions/0192f0a4-9a3b-7f5e-8d21-1c9e5b7a4d33', me.accessToken),
    ],
    ['a profile that stays', 200, (client) => client.patch('/v1/users/me', {}, me.accessToken)],
    [
      'a profile that is refused',
      422,
      (client) => client.patch('/v1/users/me', { name: '' }, me.accessToken),
    ],
    ['a wrong present password', 403, change({ current_password: WRONG, new_password: NEW })],
    ['a weak new password', 422, change({ current_password: PASSWORD, new_password: 'a' })],
    ['a change without a password', 422, change({})],
    [
      'a reset for an address without an account',
      200,
      post('/v1/auth/password/reset-request', () => ({ email: newPerson().email })),
    ],
    [
      'a reset with a wrong token',
      400,
      post('/v1/auth/password/reset', () => ({ token: `${resetToken}A`, new_password: NEW })),
    ],
    [
      'a reset with a weak password',
      422,
      post('/v1/auth/password/reset', () => ({ token: resetToken, new_password: 'a' })),
    ],
  ])('%s', async (_what, status, ask) => {
    expect(await recordedBy(status, ask)).toEqual([]);
  });

  describe('a change whose last statement fails:', () => {
    let acceptMail: () => Promise<void>;
    beforeAll(async () => {
      const refusal = { table: 'mail_outbox', of: 'INSERT', message: 'no room for mail', code: 'disk_full' };
      acceptMail = await refuseWrites(service.db, { ...refusal, atCommit: true });
    });
    afterAll(() => acceptMail());

    it('a sign-up leaves no account, and the address free', async () => {
      const person = newPerson();
      const signUp = (client: Client) => client.post('/v1/auth/register', person);
      expect(await recordedBy(503, signUp)).toEqual([]);
      expect(await service.db.query(`SELECT FROM users WHERE email = $1`, [person.email])).toEqual([]);
    });

    it('a change of password leaves the old one, and every session', async () => {
      const before = await accountOf(service, me.person.email);
      const right = { current_password: PASSWORD, new_password: NEW, revoke_other_sessions: true };
      expect(await recordedBy(503, change(right))).toEqual([]);
      expect(await accountOf(service, me.person.email)).toEqual(before);
      await service.client().get('/v1/users/me', me.accessToken).expect(200);
    });

    it('a reset leaves its link good', async () => {
      const body = { token: resetToken, new_password: NEW };
      const reset = (client: Client) => client.post('/v1/auth/password/reset', body);
      expect(await recordedBy(503, reset)).toEqual([]);
      const [row] = await service.db.query(
        `SELECT used_at FROM one_time_tokens WHERE purpose = 'password_reset'
        AND user_id = $1`,
        [me.userId],
      );
      expect(row).toEqual({ used_at: null });
      await service.client().get('/v1/users/me', me.accessToken).expect(200);
    });
  });
});
