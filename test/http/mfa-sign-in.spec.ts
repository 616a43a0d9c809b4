import { decodeJwt } from 'jose';
import { createHash } from 'node:crypto';
import { MfaChallenges } from '../../src/auth/mfa-challenges';
import { Clock } from '../../src/common/clock';
import { Limits } from '../../src/infra/limits/limits';
import { FactorRecord } from '../../src/mfa/factor-record';
import { startService, TestService } from '../support/app';
import { accountOf, deleteAccount, eventsOf, setStatus } from '../support/account-rows';
import { Authenticator, beginSignIn, newGuarded, signInGuarded } from '../support/authenticator';
import { cookieOf } from '../support/cookie';
import { askForReset, mailsSent } from '../support/mailed-links';
import { passLimitWindows } from '../support/limit-windows';
import { isSignedIn, newSignedIn, signIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const VERIFY = '/v1/auth/mfa/verify';
const LOCKED = 'Wrong codes were entered for your account';

let service: TestService;
let second: TestService;
beforeAll(async () => {
  service = await startService();
  second = await service.another();
});
afterAll(async () => {
  await second.stop();
  await service.stop();
});

const verify = (mfa_token: unknown, code: unknown, at = service) =>
  at.client().post(VERIFY, { mfa_token, code });

/** Uses up what a user has of wrong codes, over as many sign-ins as it takes. */
async function failTimes(member: SignedIn, phone: Authenticator, times: number): Promise<void> {
  let mfa_token = '';
  for (let i = 0; i < times; i++) {
    if (i % 5 === 0) mfa_token = await beginSignIn(service, member.person);
    await expectProblem(verify(mfa_token, phone.wrongCode()), 401, 'invalid_mfa_code');
  }
}

describe('a sign-in to an account with a second factor', () => {
  it('answers the question for the code, and no token', async () => {
    const { member } = await newGuarded(service);
    const { email, password } = member.person;
    const { body, headers } = await service.client().post('/v1/auth/login', { email, password }).expect(200);
    expect(body).toEqual({
      status: 'mfa_required',
      mfa_token: expect.stringMatching(/^[\w-]{43}$/),
      methods: ['totp', 'backup_code'],
      expires_in: 300,
      message: expect.any(String),
    });
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['set-cookie']).toBeUndefined();
    // The token of the question opens nothing.
    await expectProblem(service.client().get('/v1/users/me', body.mfa_token), 401, 'invalid_access_token');
    await expectProblem(
      service.client().post('/v1/auth/refresh', { refresh_token: body.mfa_token }),
      401,
      'invalid_refresh_token',
    );
  });

  it('answers tokens for the code, with the claim that says so', async () => {
    const { member, phone } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    const { body, headers } = await verify(mfa_token, phone.nextCode()).expect(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: expect.stringMatching(/^[\w-]{90,}$/),
      session_id: expect.any(String),
      user: expect.objectContaining({ user_id: member.userId, mfa_enabled: true }),
    });
    expect(headers['cache-control']).toBe('no-store');
    expect(decodeJwt(body.access_token)).toMatchObject({ sid: body.session_id, mfa: true });
    const sessions = await service.client().get('/v1/auth/sessions', body.access_token).expect(200);
    expect(sessions.body.sessions[0]).toMatchObject({ current: true, mfa_verified: true });
    const logins = await eventsOf(service, member.userId, 'user.login');
    expect(logins.at(-1)).toMatchObject({
      actor: `user:${member.userId}`,
      data: { session_id: body.session_id, method: 'password', second_factor: 'totp' },
    });
    const refreshed = await service
      .client()
      .post('/v1/auth/refresh', { refresh_token: body.refresh_token })
      .expect(200);
    expect(decodeJwt(refreshed.body.access_token)).toMatchObject({ mfa: true });
  });

  it('keeps what was wished for at its beginning: cookie and persistence', async () => {
    const { member, phone } = await newGuarded(service);
    const wish = { token_delivery: 'cookie', persist_session: true };
    const reply = await verify(await beginSignIn(service, member.person, wish), phone.nextCode()).expect(200);
    expect(reply.body.refresh_token).toBeNull();
    const { attributes } = cookieOf(reply);
    expect(Number(attributes['max-age'])).toBeGreaterThan(90 * 86_400 - 10);
  });

  it('gives no cookie to a page of an unknown origin, and looks at no code for it', async () => {
    const { member, phone } = await newGuarded(service);
    const inCookie = await beginSignIn(service, member.person, { token_delivery: 'cookie' });
    const code = phone.nextCode();
    await expectProblem(verify(inCookie, code).set('Origin', 'https://evil.test'), 403, 'origin_not_allowed');
    await verify(inCookie, code).set('Origin', 'http://id.test').expect(200);
    const inBody = await beginSignIn(service, member.person);
    await verify(inBody, phone.nextCode()).set('Origin', 'https://evil.test').expect(200);
  });

  it('says at its end whether its beginning has made the account', async () => {
    const { member, phone } = await newGuarded(service);
    const { session_epoch } = await accountOf(service, member.person.email);
    for (const isNewUser of [true, false, undefined]) {
      const mfa_token = await service.app.get(MfaChallenges).open({
        proved: { userId: member.userId, epoch: session_epoch as number, method: 'google' },
        wish: { persistent: true },
        delivery: 'body',
        isNewUser,
      });
      const { body } = await verify(mfa_token, phone.nextCode()).expect(200);
      expect(body.is_new_user).toBe(isNewUser);
    }
    const logins = await eventsOf(service, member.userId, 'user.login');
    expect(logins.at(-1)!.data).toMatchObject({ method: 'google', second_factor: 'totp' });
  });

  it('begins on one instance and ends on another', async () => {
    const { member, phone } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    second.advance(service.app.get(Clock).now() - second.app.get(Clock).now());
    await verify(mfa_token, phone.code(1), second).expect(200);
    await expectProblem(verify(mfa_token, phone.code(1)), 401, 'invalid_mfa_token');
  });

  it.each<[string, (phone: Authenticator) => string]>([
    ['a wrong code', (phone) => phone.wrongCode()],
    ['the code of two steps later', (phone) => phone.code(2)],
    ['seven digits', (phone) => `${phone.code(1)}0`],
    ['the code in digits of another script', (phone) => fullWidth(phone.code(1))],
    ['a backup code that is none', () => 'AAAA-AAAA'],
    ['nothing', () => ''],
  ])('refuses %s', async (_what, code) => {
    const { member, phone } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    phone.beginStep();
    await expectProblem(verify(mfa_token, code(phone)), 401, 'invalid_mfa_code');
    const [failed] = await eventsOf(service, member.userId, 'login.failed');
    expect(failed).toEqual({
      type: 'login.failed',
      actor: 'anonymous',
      data: { reason: 'wrong_mfa_code' },
    });
    // With a space, as authenticators show it.
    await verify(mfa_token, phone.code(1).replace(/^.../, '$& ')).expect(200);
  });

  it('refuses a code that was used before, and an older one than the newest that was', async () => {
    const { member, phone } = await newGuarded(service);
    service.advance(90_000);
    const [older, used, newer] = [phone.code(-1), phone.code(), phone.code(1)];
    await verify(await beginSignIn(service, member.person), used).expect(200);
    const mfa_token = await beginSignIn(service, member.person);
    await expectProblem(verify(mfa_token, used), 401, 'invalid_mfa_code');
    await expectProblem(verify(mfa_token, older), 401, 'invalid_mfa_code');
    await verify(mfa_token, newer).expect(200);
  });

  it.each<[string, object, ...string[]]>([
    ['a code that is a number', { code: 123456 }, 'code'],
    ['no code', { code: undefined }, 'code'],
    ['a token that is an object', { mfa_token: {} }, 'mfa_token'],
    ['no token', { mfa_token: undefined }, 'mfa_token'],
    ['a token of 2000 characters', { mfa_token: 'x'.repeat(2000) }, 'mfa_token'],
  ])('refuses %s', async (_what, wrong, ...fields) => {
    await expectInvalid(
      service.client().post(VERIFY, { mfa_token: 'token', code: '123456', ...wrong }),
      ...fields,
    );
  });

  it('refuses tokens that are unknown, or too old', async () => {
    const { member, phone } = await newGuarded(service);
    await expectProblem(verify('', phone.nextCode()), 401, 'invalid_mfa_token');
    await expectProblem(verify('q'.repeat(43), phone.code()), 401, 'invalid_mfa_token');
    const mfa_token = await beginSignIn(service, member.person);
    const key = `mfa-challenge:{${createHash('sha256').update(mfa_token).digest('base64url')}}`;
    const life = await service.redis.ttl(key);
    expect(life).toBeGreaterThan(290);
    expect(life).toBeLessThanOrEqual(300);
    for (const other of await service.redis.keys('mfa-challenge:*')) expect(other).not.toContain(mfa_token);
    await service.redis.pexpire(key, 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expectProblem(verify(mfa_token, phone.code()), 401, 'invalid_mfa_token');
  });

  it('is over after five tries, whatever the sixth one is', async () => {
    const { member, phone } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    for (let i = 0; i < 5; i++) {
      await expectProblem(verify(mfa_token, phone.wrongCode()), 401, 'invalid_mfa_code');
    }
    await expectProblem(verify(mfa_token, phone.nextCode()), 401, 'invalid_mfa_token');
  });

  it.each(['suspended', 'deactivated'] as const)('is refused once the account is %s', async (status) => {
    const { member, phone } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    await setStatus(service, member.person.email, status);
    await expectProblem(verify(mfa_token, phone.nextCode()), 401, 'invalid_mfa_token');
  });

  it('is refused once the account is deleted', async () => {
    const { member, phone } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    await deleteAccount(service, member.person.email);
    await expectProblem(verify(mfa_token, phone.nextCode()), 401, 'invalid_mfa_token');
  });

  it('begins again once the second factor was turned off', async () => {
    const { member, phone } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    await service
      .client()
      .post(
        '/v1/mfa/totp/disable',
        { password: member.person.password, code: phone.nextCode() },
        member.accessToken,
      )
      .expect(200);
    await expectProblem(verify(mfa_token, phone.nextCode()), 401, 'invalid_mfa_token');
    await signIn(service, member.person);
  });
});

describe('of twenty parallel tries', () => {
  it('with one code, at two instances, over all operations that take one, one succeeds', async () => {
    const { member, phone } = await newGuarded(service);
    second.advance(service.app.get(Clock).now() - second.app.get(Clock).now());
    const tokens = await Promise.all(Array.from({ length: 6 }, () => beginSignIn(service, member.person)));
    const code = phone.code(1);
    const { accessToken } = member;
    const { password } = member.person;
    const at = (i: number) => (i % 2 ? second : service).client();
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        switch (i % 4) {
          case 0:
            return at(i >> 2).post('/v1/mfa/totp/verify', { code }, accessToken);
          case 1:
            return at(i >> 2).post('/v1/mfa/backup-codes/regenerate', { code }, accessToken);
          case 2:
            return at(i >> 2).post('/v1/mfa/totp/disable', { code, password }, accessToken);
          default:
            return at(i >> 2).post(VERIFY, { mfa_token: tokens[i >> 2], code });
        }
      }),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of replies.filter((reply) => reply.status !== 200)) {
      expect([
        '401 invalid_mfa_code',
        '429 rate_limited',
        // After `disable` has won.
        '409 mfa_not_enabled',
        '401 invalid_mfa_token',
      ]).toContain(`${status} ${body.code}`);
    }
  });

  it('with one code, past the limit of wrong ones, the table accepts one', async () => {
    const { member } = await newGuarded(service);
    const record = service.app.get(FactorRecord, { strict: false });
    const { manager } = service.db;
    const wrapped = (await record.wrappedSecret(manager, member.userId))!;
    const step = 2 ** 40;
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => record.acceptStep(manager, member.userId, wrapped, step)),
    );
    expect(answers.filter((accepted) => accepted)).toHaveLength(1);
    expect(await record.acceptStep(manager, member.userId, wrapped, step)).toBe(false);
  });

  it('with one backup code, past the limit of wrong ones, the table spends it once', async () => {
    const { member } = await newGuarded(service);
    const record = service.app.get(FactorRecord, { strict: false });
    const { manager } = service.db;
    const [{ code_hash }] = await service.db.query<[{ code_hash: Buffer }]>(
      `SELECT code_hash FROM mfa_backup_codes WHERE user_id = $1 LIMIT 1`,
      [member.userId],
    );
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => record.spendBackupCode(manager, member.userId, code_hash)),
    );
    expect(answers.filter((left) => left !== null)).toEqual([7]);
  });

  it('of one challenge with one code, one opens a session', async () => {
    const { member, phone } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    const code = phone.nextCode();
    const replies = await Promise.all(Array.from({ length: 20 }, () => verify(mfa_token, code)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await eventsOf(service, member.userId, 'user.login')).length).toBe(2);
  });

  it('of one challenge with different right codes, one opens a session', async () => {
    const { member, backupCodes } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    const replies = await Promise.all(backupCodes.map((code) => verify(mfa_token, code)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { body } of replies.filter(({ status }) => status !== 200))
      expect(body.code).toBe('invalid_mfa_token');
  });

  it('with one backup code one succeeds', async () => {
    const { member, backupCodes } = await newGuarded(service);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => beginSignIn(service, member.person)));
    const replies = await Promise.all(tokens.map((token) => verify(token, backupCodes[0])));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await eventsOf(service, member.userId, 'mfa.backup_code_used')).toHaveLength(1);
  });
});

describe('a backup code', () => {
  it('opens the account once, however it is typed, and the owner is told', async () => {
    const { member, backupCodes } = await newGuarded(service);
    const [first, other] = backupCodes as [string, string];
    const typed = ` ${first.toLowerCase().replace('-', ' ')} `.replace('1', 'l').replace('0', 'o');
    const { body } = await verify(await beginSignIn(service, member.person), typed).expect(200);
    expect(decodeJwt(body.access_token)).toMatchObject({ mfa: true });
    const again = await beginSignIn(service, member.person);
    await expectProblem(verify(again, first), 401, 'invalid_mfa_code');
    await verify(again, other.replace('-', '')).expect(200);
    const used = await eventsOf(service, member.userId, 'mfa.backup_code_used');
    expect(used.map(({ data }) => data)).toEqual([{ remaining: 7 }, { remaining: 6 }]);
    const logins = await eventsOf(service, member.userId, 'user.login');
    expect(logins.at(-1)!.data).toMatchObject({ second_factor: 'backup_code' });
    expect((await service.mailTo(member.person.email, /backup code/)).text).toMatch(/Codes left: [67]/);
  });

  it('of one account opens no other', async () => {
    const one = await newGuarded(service);
    const other = await newGuarded(service);
    const mfa_token = await beginSignIn(service, one.member.person);
    await expectProblem(verify(mfa_token, other.backupCodes[0]), 401, 'invalid_mfa_code');
  });

  it('serves until all eight are used', async () => {
    const { member, backupCodes } = await newGuarded(service);
    for (const code of backupCodes) await verify(await beginSignIn(service, member.person), code).expect(200);
    const used = await eventsOf(service, member.userId, 'mfa.backup_code_used');
    expect(used.at(-1)!.data).toEqual({ remaining: 0 });
  });
});

describe('ten wrong codes in 15 minutes', () => {
  it('lock the account for codes, over all sign-ins and operations, and the first refusal is recorded', async () => {
    const { member, phone, backupCodes } = await newGuarded(service);
    await failTimes(member, phone, 7);
    const { accessToken } = member;
    const { password } = member.person;
    const post = (path: string, body: object) => service.client().post(`/v1/mfa/${path}`, body, accessToken);
    const code = phone.wrongCode();
    await expectProblem(post('totp/verify', { code }), 401, 'invalid_mfa_code');
    await expectProblem(post('totp/disable', { code, password }), 401, 'invalid_mfa_code');
    await expectProblem(post('backup-codes/regenerate', { code }), 401, 'invalid_mfa_code');
    const right = phone.nextCode();
    const mfa_token = await beginSignIn(service, member.person);
    const { headers } = await expectProblem(verify(mfa_token, right), 429, 'rate_limited');
    expect(Number(headers['retry-after'])).toBeGreaterThan(800);
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(900);
    await expectProblem(verify(mfa_token, backupCodes[0]), 429, 'rate_limited');
    await expectProblem(post('totp/verify', { code: right }), 429, 'rate_limited');
    await expectProblem(post('totp/disable', { code: right, password }), 429, 'rate_limited');
    await expectProblem(post('backup-codes/regenerate', { code: right }), 429, 'rate_limited');
    expect(await eventsOf(service, member.userId, 'login.failed')).toHaveLength(10);
    expect(await eventsOf(service, member.userId, 'login.locked')).toEqual([
      { type: 'login.locked', actor: 'anonymous', data: { retry_after: expect.any(Number) } },
    ]);
    await mailsSent(service);
    const told = (await service.mails(member.person.email)).filter(({ subject }) => subject === LOCKED);
    expect(told).toHaveLength(1);
    expect(told[0]!.text).toContain('15 minutes');
    await passLimitWindows(service);
    await post('totp/verify', { code: right }).expect(200);
  });

  it('are mailed once a window, however often the limit is reached', async () => {
    const { member, phone } = await newGuarded(service);
    const limits = service.app.get(Limits, { strict: false });
    await failTimes(member, phone, 10);
    for (let i = 0; i < 3; i++) {
      const mfa_token = await beginSignIn(service, member.person);
      await expectProblem(verify(mfa_token, phone.wrongCode()), 429, 'rate_limited');
      // As by a right code that was being looked at.
      await limits.giveBack({ name: 'mfa-code', points: 10, seconds: 900 }, member.userId);
    }
    expect((await eventsOf(service, member.userId, 'login.locked')).length).toBeGreaterThan(1);
    await mailsSent(service);
    const mails = await service.mails(member.person.email);
    expect(mails.filter(({ subject }) => subject === LOCKED)).toHaveLength(1);
  });

  it('are counted a user: another one is not locked', async () => {
    const { member, phone } = await newGuarded(service);
    const other = await newGuarded(service);
    await failTimes(member, phone, 10);
    await signInGuarded(service, other.member.person, other.phone);
  });

  it('count before the code is looked at: of thirty at once ten are', async () => {
    const { member, phone } = await newGuarded(service);
    const tokens = await Promise.all(Array.from({ length: 30 }, () => beginSignIn(service, member.person)));
    const wrong = phone.wrongCode();
    const replies = await Promise.all(tokens.map((token) => verify(token, wrong)));
    expect(replies.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(20);
  });

  it('are not wiped out by right ones in between', async () => {
    const { member, phone } = await newGuarded(service);
    await failTimes(member, phone, 9);
    await signInGuarded(service, member.person, phone);
    await signInGuarded(service, member.person, phone);
    await failTimes(member, phone, 1);
    const mfa_token = await beginSignIn(service, member.person);
    await expectProblem(verify(mfa_token, phone.nextCode()), 429, 'rate_limited');
  });
});

describe('with a second factor on, no path leads around it', () => {
  it('not a refresh of a session that has not proved it', async () => {
    const member = await newSignedIn(service);
    // As where Redis has lost the end of the other sessions.
    await service.db.query(`UPDATE users SET mfa_enabled = true WHERE id = $1`, [member.userId]);
    await expectProblem(
      service.client().post('/v1/auth/refresh', { refresh_token: member.refreshToken }),
      401,
      'invalid_refresh_token',
    );
    expect(await isSignedIn(service, member.accessToken)).toBe(false);
    const [revoked] = await eventsOf(service, member.userId, 'session.revoked');
    expect(revoked!.data).toEqual({ reason: 'mfa_enabled', session_ids: [member.sessionId] });
  });

  it('not a password reset', async () => {
    const { member, phone } = await newGuarded(service);
    const { email } = member.person;
    // The address was verified before: whoever resets is the one who has set the factor up.
    await service.db.query(`UPDATE users SET status = 'active', email_verified_at = now() WHERE email = $1`, [
      email,
    ]);
    const token = await askForReset(service, email);
    const person = { ...member.person, password: 'Kaveri-Morning-77?' };
    await service
      .client()
      .post('/v1/auth/password/reset', { token, new_password: person.password })
      .expect(200);
    expect((await accountOf(service, email)).mfa_enabled).toBe(true);
    await signInGuarded(service, person, phone);
  });

  it('not a password reset that is the first proof of the address', async () => {
    const { member, phone } = await newGuarded(service);
    const { email } = member.person;
    const token = await askForReset(service, email);
    const person = { ...member.person, password: 'Kaveri-Morning-77?' };
    await service
      .client()
      .post('/v1/auth/password/reset', { token, new_password: person.password })
      .expect(200);
    await signInGuarded(service, person, phone);
    expect(await eventsOf(service, member.userId, 'mfa.disabled')).toEqual([]);
  });

  it('not a challenge from before a password reset', async () => {
    const { member, phone } = await newGuarded(service);
    const { email } = member.person;
    const mfa_token = await beginSignIn(service, member.person);
    await service.db.query(`UPDATE users SET status = 'active', email_verified_at = now() WHERE email = $1`, [
      email,
    ]);
    const token = await askForReset(service, email);
    await service
      .client()
      .post('/v1/auth/password/reset', { token, new_password: 'Kaveri-Morning-77?' })
      .expect(200);
    await expectProblem(verify(mfa_token, phone.nextCode()), 401, 'invalid_mfa_token');
  });

  it('not beginning again and again', async () => {
    const { member } = await newGuarded(service);
    const tokens = new Set<string>();
    for (let i = 0; i < 3; i++) tokens.add(await beginSignIn(service, member.person));
    expect(tokens.size).toBe(3);
    expect(await eventsOf(service, member.userId, 'user.login')).toHaveLength(1);
  });
});

const fullWidth = (code: string): string =>
  [...code].map((digit) => String.fromCodePoint(0xff10 + Number(digit))).join('');
