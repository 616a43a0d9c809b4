import { startService, TestService } from '../support/app';
import { settled } from '../support/authority';
import { accountOf, eventsOf } from '../support/account-rows';
import { passLimitWindows } from '../support/limit-windows';
import { askForReset } from '../support/mailed-links';
import { isSignedIn, newSignedIn, PASSWORD, signIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const HOUR = 3_600_000;
const PATH = '/v1/users/change-password';
const NEW = 'Kaveri-Morning-77?';
const RIGHT = { current_password: PASSWORD, new_password: NEW };
const WRONG = { current_password: 'Wrong-Password-1!', new_password: NEW };

describe('POST /v1/users/change-password', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('sets the password, keeps the sessions and tells the owner', async () => {
    const here = await newSignedIn(service);
    const there = await signIn(service, here.person);
    const { body } = await service.client().post(PATH, RIGHT, here.accessToken).expect(200);
    expect(body).toEqual({ message: 'Your password was changed.', sessions_revoked: 0 });
    expect(await isSignedIn(service, here.accessToken)).toBe(true);
    expect(await isSignedIn(service, there.accessToken)).toBe(true);
    await service.client().post('/v1/auth/refresh', { refresh_token: there.refreshToken }).expect(200);
    await service.mailTo(here.person.email, /^Your password was changed$/);
    expect((await eventsOf(service, here.userId)).slice(-2)).toEqual([
      { type: 'password.changed', actor: `user:${here.userId}`, data: { sessions_revoked: 0 } },
      {
        type: 'session.revoked',
        actor: `user:${here.userId}`,
        data: {
          reason: 'password_changed',
          session_ids: [],
          before_epoch: 1,
          kept_session_ids: expect.arrayContaining([here.sessionId, there.sessionId]),
        },
      },
    ]);
    const { email } = here.person;
    await expectProblem(
      service.client().post('/v1/auth/login', { email, password: PASSWORD }),
      401,
      'invalid_credentials',
    );
    await signIn(service, { ...here.person, password: NEW });
  });

  it('keeps a session of which Redis, full for an hour, could not be told', async () => {
    const { accessToken, refreshToken, sessionId, userId } = await newSignedIn(service);
    const before = (await service.redis.hget(`sessions:{${userId}}`, sessionId))!;
    service.advance(-HOUR);
    await service.client().post(PATH, RIGHT, accessToken).expect(200);
    service.advance(HOUR);
    await settled(service);
    await service.redis.hset(`sessions:{${userId}}`, sessionId, before);
    await service.client().post('/v1/auth/refresh', { refresh_token: refreshToken }).expect(200);
  });

  it('ends every other session where asked to', async () => {
    const here = await newSignedIn(service);
    const there = await signIn(service, here.person);
    const { body } = await service
      .client()
      .post(PATH, { ...RIGHT, revoke_other_sessions: true }, here.accessToken)
      .expect(200);
    expect(body.sessions_revoked).toBe(1);
    expect(await isSignedIn(service, here.accessToken)).toBe(true);
    expect(await isSignedIn(service, there.accessToken)).toBe(false);
    await service.client().post('/v1/auth/refresh', { refresh_token: here.refreshToken }).expect(200);
    expect((await eventsOf(service, here.userId)).slice(-2)).toMatchObject([
      { type: 'password.changed', data: { sessions_revoked: 1 } },
      { type: 'session.revoked', data: { reason: 'password_changed', session_ids: [there.sessionId] } },
    ]);
  });

  it('ends the reset links that are under way', async () => {
    const { person, accessToken } = await newSignedIn(service);
    const token = await askForReset(service, person.email);
    await service.client().post(PATH, RIGHT, accessToken).expect(200);
    await expectProblem(
      service.client().post('/v1/auth/password/reset', { token, new_password: 'Other-Morning-78?' }),
      400,
      'invalid_reset_token',
    );
  });

  it('refuses a wrong current password, and changes nothing', async () => {
    const { person, accessToken } = await newSignedIn(service);
    const before = await accountOf(service, person.email);
    await expectProblem(service.client().post(PATH, WRONG, accessToken), 403, 'invalid_current_password');
    expect(await accountOf(service, person.email)).toEqual(before);
  });

  it('refuses more than five wrong guesses in a quarter of an hour, from wherever they come', async () => {
    const { person, accessToken } = await newSignedIn(service);
    for (let i = 0; i < 5; i++) {
      await expectProblem(service.client().post(PATH, WRONG, accessToken), 403, 'invalid_current_password');
    }
    const { headers } = await expectProblem(
      service.client().post(PATH, RIGHT, accessToken),
      429,
      'rate_limited',
    );
    expect(Number(headers['retry-after'])).toBeGreaterThan(800);
    await signIn(service, person);
    await passLimitWindows(service);
    await service.client().post(PATH, RIGHT, accessToken).expect(200);
  });

  it('forgets wrong guesses after a right one', async () => {
    const { accessToken } = await newSignedIn(service);
    const client = service.client();
    for (let i = 0; i < 4; i++) await client.post(PATH, WRONG, accessToken).expect(403);
    await client.post(PATH, { ...RIGHT, new_password: 'short' }, accessToken).expect(422);
    for (let i = 0; i < 5; i++) await client.post(PATH, WRONG, accessToken).expect(403);
  });

  it('lets at most five of twenty parallel guesses through', async () => {
    const { accessToken } = await newSignedIn(service);
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => service.client().post(PATH, WRONG, accessToken)),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([
      ...Array<number>(5).fill(403),
      ...Array<number>(15).fill(429),
    ]);
  });

  it('makes one change of five at once', async () => {
    const { accessToken, person, userId } = await newSignedIn(service);
    const replies = await Promise.all(
      Array.from({ length: 5 }, (_, i) =>
        service.client().post(PATH, { ...RIGHT, new_password: `Kaveri-Morning-${i}?` }, accessToken),
      ),
    );
    const statuses = replies.map(({ status }) => status);
    expect([...statuses].sort()).toEqual([200, 403, 403, 403, 403]);
    await signIn(service, { ...person, password: `Kaveri-Morning-${statuses.indexOf(200)}?` });
    expect(await eventsOf(service, userId, 'password.changed')).toHaveLength(1);
  });

  it('is refused to a session that was ended at this moment', async () => {
    const { accessToken, person, userId } = await newSignedIn(service);
    // As where the end has just committed: the session is still in Redis, its epoch is over.
    await service.db.query(`UPDATE users SET session_epoch = session_epoch + 1 WHERE id = $1`, [userId]);
    const { password_hash } = await accountOf(service, person.email);
    await expectProblem(service.client().post(PATH, RIGHT, accessToken), 401, 'invalid_access_token');
    expect(await accountOf(service, person.email)).toMatchObject({ password_hash, session_epoch: 1 });
  });

  it('holds the new password to the policy', async () => {
    const { accessToken, person } = await newSignedIn(service);
    const { body } = await expectProblem(
      service.client().post(PATH, { ...RIGHT, new_password: 'asha' }, accessToken),
      422,
      'password_policy',
    );
    expect((body.errors as { field: string }[]).map(({ field }) => field)).toEqual(
      Array(6).fill('new_password'),
    );
    await signIn(service, person);
  });

  it('names every field that is wrong', async () => {
    const { accessToken } = await newSignedIn(service);
    const client = service.client();
    await expectInvalid(client.post(PATH, {}, accessToken), 'current_password', 'new_password');
    await expectInvalid(
      client.post(PATH, { ...RIGHT, revoke_other_sessions: 'no' }, accessToken),
      'revoke_other_sessions',
    );
  });

  it('needs a signed-in caller', async () => {
    await expectProblem(service.client().post(PATH, RIGHT), 401, 'not_authenticated');
  });
});
