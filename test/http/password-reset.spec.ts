import { startService, TestService } from '../support/app';
import { accountOf, deleteAccount, eventsOf, setStatus } from '../support/account-rows';
import { passLimitWindows } from '../support/limit-windows';
import { askForReset, mailsSent } from '../support/mailed-links';
import { isSignedIn, newPerson, newSignedIn, register, signIn, tokenIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { expectSameTime, measureInTurns } from '../support/timing';

const REQUEST = '/v1/auth/password/reset-request';
const RESET = '/v1/auth/password/reset';
const NEW = 'Kaveri-Morning-77?';

describe('POST /v1/auth/password/reset-request', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('answers the same for every address, and mails only to those with an account', async () => {
    const [known, suspended, unknown] = [await register(service), await register(service), newPerson()];
    await setStatus(service, suspended.email, 'suspended');
    for (const { email } of [known, suspended, unknown]) {
      const { body } = await service
        .client()
        .post(REQUEST, { email: ` ${email.toUpperCase()}` })
        .expect(200);
      expect(body).toEqual({
        email,
        message: 'If this address has an account, a mail with a link is on its way.',
        expires_in_minutes: 30,
      });
    }
    await mailsSent(service);
    const subjects = async (email: string) => (await service.mails(email)).map(({ subject }) => subject);
    expect(await subjects(known.email)).toContain('Reset your password');
    expect(await subjects(suspended.email)).not.toContain('Reset your password');
    expect(await subjects(unknown.email)).toEqual([]);
    const { id } = await accountOf(service, known.email);
    expect(await eventsOf(service, id as string, 'password.reset_requested')).toEqual([
      { type: 'password.reset_requested', actor: 'anonymous', data: {} },
    ]);
  });

  it('builds the link from PUBLIC_URL, whatever the request says of its host', async () => {
    const { email } = await register(service);
    await service
      .client()
      .post(REQUEST, { email })
      .set('Host', 'evil.test')
      .set('X-Forwarded-Host', 'evil.test')
      .set('X-Forwarded-Proto', 'https')
      .set('Origin', 'https://evil.test')
      .expect(200);
    const { text, html } = await service.mailTo(email, /^Reset/);
    expect(text).toMatch(/http:\/\/id\.test\/reset-password\?token=[\w-]+/);
    expect(html).toMatch(/href="http:\/\/id\.test\/reset-password\?token=[\w-]+"/);
    expect(text + html).not.toContain('evil.test');
  });

  it('keeps the token out of every table', async () => {
    const { email } = await register(service);
    const token = await askForReset(service, email);
    const [{ found }] = await service.db.query(
      `SELECT EXISTS (SELECT FROM one_time_tokens t WHERE strpos(t::text, $1) > 0)
         OR EXISTS (SELECT FROM events e WHERE strpos(e::text, $1) > 0) AS found`,
      [token],
    );
    expect(found).toBe(false);
  });

  it.each([{}, { email: 'asha' }, { email: ['a@example.org'] }])('refuses %j', async (body) => {
    await expectInvalid(service.client().post(REQUEST, body), 'email');
  });

  it.each([
    ['a known', () => register(service)],
    ['an unknown', async () => newPerson()],
  ])('takes five requests an hour for %s address, from wherever they come', async (_which, person) => {
    const { email } = await person();
    for (let i = 0; i < 5; i++) await service.client().post(REQUEST, { email }).expect(200);
    const { headers } = await expectProblem(service.client().post(REQUEST, { email }), 429, 'rate_limited');
    expect(Number(headers['retry-after'])).toBeGreaterThan(3500);
    await passLimitWindows(service);
    await service.client().post(REQUEST, { email }).expect(200);
  });

  it('takes five requests an hour from one client, for whatever address', async () => {
    const client = service.client();
    for (let i = 0; i < 5; i++) await client.post(REQUEST, { email: newPerson().email }).expect(200);
    await expectProblem(client.post(REQUEST, { email: newPerson().email }), 429, 'rate_limited');
  });
});

describe('POST /v1/auth/password/reset', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('sets the password, ends every session and tells the owner', async () => {
    const here = await newSignedIn(service);
    const there = await signIn(service, here.person);
    const { email } = here.person;
    const token = await askForReset(service, email);
    const { body } = await service.client().post(RESET, { token, new_password: NEW }).expect(200);
    expect(body).toEqual({ message: 'Your password was changed. Sign in with the new one.' });

    expect(await isSignedIn(service, here.accessToken)).toBe(false);
    expect(await isSignedIn(service, there.accessToken)).toBe(false);
    for (const { refreshToken } of [here, there]) {
      const { body: refused } = await service
        .client()
        .post('/v1/auth/refresh', { refresh_token: refreshToken })
        .expect(401);
      expect(refused.code).toBe('invalid_refresh_token');
    }
    await service.mailTo(email, /^Your password was changed$/);
    const actor = `user:${here.userId}`;
    expect((await eventsOf(service, here.userId)).slice(-3)).toEqual([
      { type: 'password.reset_completed', actor, data: { sessions_revoked: 2 } },
      // The link came by mail.
      { type: 'user.email_verified', actor, data: {} },
      {
        type: 'session.revoked',
        actor,
        data: {
          reason: 'password_reset',
          session_ids: expect.any(Array),
          before_epoch: 1,
          kept_session_ids: [],
        },
      },
    ]);
    await expectProblem(
      service.client().post('/v1/auth/login', { email, password: here.person.password }),
      401,
      'invalid_credentials',
    );
    await signIn(service, { ...here.person, password: NEW });
  });

  it('works once, also when twenty arrive together', async () => {
    const person = await register(service);
    const token = await askForReset(service, person.email);
    const passwords = Array.from({ length: 20 }, (_, i) => `Kaveri-Morning-${i}?`);
    const replies = await Promise.all(
      passwords.map((new_password) => service.client().post(RESET, { token, new_password })),
    );
    const statuses = replies.map(({ status }) => status);
    expect([...statuses].sort()).toEqual([200, ...Array<number>(19).fill(400)]);
    for (const { body } of replies.filter(({ status }) => status === 400)) {
      expect(body.code).toBe('invalid_reset_token');
    }
    await signIn(service, { ...person, password: passwords[statuses.indexOf(200)]! });
    await expectProblem(
      service.client().post(RESET, { token, new_password: NEW }),
      400,
      'invalid_reset_token',
    );
    const { id } = await accountOf(service, person.email);
    expect(await eventsOf(service, id as string, 'password.reset_completed')).toHaveLength(1);
  });

  it('ends every other link once one was used', async () => {
    const { email } = await register(service);
    const [older, newer] = [await askForReset(service, email), await askForReset(service, email)];
    expect(newer).not.toBe(older);
    await service.client().post(RESET, { token: newer, new_password: NEW }).expect(200);
    await expectProblem(
      service.client().post(RESET, { token: older, new_password: 'Other-Morning-78?' }),
      400,
      'invalid_reset_token',
    );
  });

  it('leaves the token good when the new password breaks the rules', async () => {
    const person = await register(service);
    const token = await askForReset(service, person.email);
    const { body } = await expectProblem(
      service.client().post(RESET, { token, new_password: 'short' }),
      422,
      'password_policy',
    );
    expect(body.errors[0]).toEqual({
      field: 'new_password',
      message: 'new_password must have at least 12 characters',
    });
    await expectProblem(
      service.client().post(RESET, { token, new_password: `Xk7!${person.email}` }),
      422,
      'password_policy',
    );
    await service.client().post(RESET, { token, new_password: NEW }).expect(200);
  });

  it('refuses a link after 30 minutes, and not before', async () => {
    const { email } = await register(service);
    const [first, second] = [await askForReset(service, email), await askForReset(service, email)];
    service.advance(29 * 60_000);
    await expectProblem(
      service.client().post(RESET, { token: first, new_password: 'short' }),
      422,
      'password_policy',
    );
    service.advance(60_000);
    for (const token of [first, second]) {
      await expectProblem(
        service.client().post(RESET, { token, new_password: NEW }),
        400,
        'invalid_reset_token',
      );
    }
  });

  it.each<[string, (email: string) => Promise<unknown>]>([
    ['suspended', (email) => setStatus(service, email, 'suspended')],
    ['deleted', (email) => deleteAccount(service, email)],
    [
      'of another address now',
      (email) => service.db.query(`UPDATE users SET email = $1 WHERE email = $2`, [newPerson().email, email]),
    ],
  ])('refuses the link of an account that is %s', async (_what, change) => {
    const { email } = await register(service);
    const token = await askForReset(service, email);
    await change(email);
    await expectProblem(
      service.client().post(RESET, { token, new_password: NEW }),
      400,
      'invalid_reset_token',
    );
  });

  it('refuses tokens that were not made for this', async () => {
    const { email } = await register(service);
    const good = await askForReset(service, email);
    const verification = tokenIn(await service.mailTo(email, /^Verify/));
    for (const token of ['', 'x', good.slice(1), `${good}A`, verification]) {
      await expectProblem(
        service.client().post(RESET, { token, new_password: NEW }),
        400,
        'invalid_reset_token',
      );
    }
    await service.client().post(RESET, { token: good, new_password: NEW }).expect(200);
  });

  it('names every field that is wrong', async () => {
    await expectInvalid(service.client().post(RESET, {}), 'token', 'new_password');
    await expectInvalid(
      service.client().post(RESET, { token: 1, new_password: 'a\0' }),
      'token',
      'new_password',
    );
  });
});

describe('the time of a request for a reset', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ RATELIMIT_PASSWORD_RESET_ATTEMPTS: '1000' });
  });
  afterAll(() => service.stop());

  it('does not tell a known address from an unknown one', async () => {
    const { email } = await register(service);
    const ask = async (address: string): Promise<void> => {
      await service.client().post(REQUEST, { email: address }).expect(200);
    };
    expectSameTime(
      await measureInTurns(
        30,
        () => ask(email),
        () => ask(newPerson().email),
        () => mailsSent(service),
      ),
    );
  });
});
