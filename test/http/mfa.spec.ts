import { systemCaller } from '../../src/common/caller';
import { newId } from '../../src/common/ids';
import { FactorRecord } from '../../src/mfa/factor-record';
import { Presence, ProofOfPresence } from '../../src/mfa/presence.service';
import { SecondFactor } from '../../src/mfa/second-factor.service';
import { RemoveSecondFactor } from '../../src/mfa/remove-second-factor.service';
import { AppError } from '../../src/common/app-error';
import { startService, TestService } from '../support/app';
import { accountOf, eventsOf } from '../support/account-rows';
import { beginSignIn, newGuarded, setUpTotp, signInGuarded } from '../support/authenticator';
import { passLimitWindows } from '../support/limit-windows';
import { isSignedIn, newSignedIn, PASSWORD, signIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const WRONG = 'Wrong-Password-1!';
const VERIFY = '/v1/mfa/totp/verify';
const DISABLE = '/v1/mfa/totp/disable';
const REGENERATE = '/v1/mfa/backup-codes/regenerate';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const post = (path: string, body: object, { accessToken }: SignedIn) =>
  service.client().post(path, body, accessToken);
const rowsOf = async (userId: string) => {
  const [rows] = await service.db.query(
    `SELECT (SELECT count(*)::int FROM totp_factors WHERE user_id = $1) AS factors,
            (SELECT count(*)::int FROM mfa_backup_codes WHERE user_id = $1) AS codes`,
    [userId],
  );
  return rows;
};
const setPasswordless = (userId: string) =>
  service.db.query(`UPDATE users SET password_hash = NULL WHERE id = $1`, [userId]);

describe.each([VERIFY, DISABLE, REGENERATE])('POST %s', (path) => {
  const body = (code: unknown) => ({ code, password: PASSWORD });

  it('needs somebody who has signed in', async () => {
    await expectProblem(service.client().post(path, body('123456')), 401, 'not_authenticated');
  });

  it('is refused where there is no second factor, however often', async () => {
    const member = await newSignedIn(service);
    for (let i = 0; i < 11; i++)
      await expectProblem(post(path, body('123456'), member), 409, 'mfa_not_enabled');
    // What was only set up counts for nothing.
    const phone = await setUpTotp(service, member);
    await expectProblem(post(path, body(phone.code()), member), 409, 'mfa_not_enabled');
  });

  it('refuses a wrong code, and one that was used', async () => {
    const { member, phone, used } = await newGuarded(service);
    await expectProblem(post(path, body(used), member), 401, 'invalid_mfa_code');
    await expectProblem(post(path, body(phone.wrongCode()), member), 401, 'invalid_mfa_code');
    await expectProblem(post(path, body('1234567'), member), 401, 'invalid_mfa_code');
    expect(await rowsOf(member.userId)).toEqual({ factors: 1, codes: 8 });
    const [failed] = await eventsOf(service, member.userId, 'login.failed');
    expect(failed).toEqual({
      type: 'login.failed',
      actor: `user:${member.userId}`,
      data: { reason: 'wrong_mfa_code' },
    });
  });

  it.each<[string, unknown]>([
    ['a number', 123456],
    ['none', undefined],
    ['null', null],
    ['a list', ['1']],
  ])('refuses a code that is %s', async (_what, code) => {
    await expectInvalid(post(path, body(code), await newSignedIn(service)), 'code');
  });

  it('takes a backup code, too', async () => {
    const { member, backupCodes } = await newGuarded(service);
    await post(path, body(backupCodes[0]!.toLowerCase()), member).expect(200);
    const [used] = await eventsOf(service, member.userId, 'mfa.backup_code_used');
    expect(used).toEqual({
      type: 'mfa.backup_code_used',
      actor: `user:${member.userId}`,
      data: { remaining: 7 },
    });
  });
});

describe('POST /v1/mfa/totp/verify', () => {
  it('answers a token, and says what the code was', async () => {
    const { member, phone, backupCodes } = await newGuarded(service);
    const { body, headers } = await post(VERIFY, { code: phone.nextCode() }, member).expect(200);
    expect(body).toEqual({
      verified: true,
      method: 'totp',
      verification_token: expect.stringMatching(/^[\w-]{43}$/),
      expires_in: 300,
    });
    expect(headers['cache-control']).toBe('no-store');
    const other = await post(VERIFY, { code: backupCodes[0] }, member).expect(200);
    expect(other.body.method).toBe('backup_code');
    for (const key of await service.redis.keys('verification:*')) {
      expect(key).not.toContain(body.verification_token);
      expect(await service.redis.ttl(key)).toBeLessThanOrEqual(300);
      expect(await service.redis.ttl(key)).toBeGreaterThan(0);
    }
  });
});

describe('POST /v1/mfa/totp/disable', () => {
  it('turns the second factor off; the backup codes die, the session stays, the owner is told', async () => {
    const { member, phone, backupCodes } = await newGuarded(service);
    const { email } = member.person;
    const { body } = await post(DISABLE, { password: PASSWORD, code: phone.nextCode() }, member).expect(200);
    expect(body).toEqual({ mfa_enabled: false });
    expect(await rowsOf(member.userId)).toEqual({ factors: 0, codes: 0 });
    expect(await isSignedIn(service, member.accessToken)).toBe(true);
    expect((await signIn(service, member.person)).userId).toBe(member.userId);
    expect(await eventsOf(service, member.userId, 'mfa.disabled')).toEqual([
      { type: 'mfa.disabled', actor: `user:${member.userId}`, data: { reason: 'disabled' } },
    ]);
    const mail = await service.mailTo(email, /^Your account no longer has a second factor$/);
    expect(mail.text).toContain('was turned off just now');
    await expectProblem(post(VERIFY, { code: backupCodes[0] }, member), 409, 'mfa_not_enabled');
  });

  it('can be followed by another authenticator, whose codes alone count then', async () => {
    const { member, phone, backupCodes } = await newGuarded(service);
    await post(DISABLE, { password: PASSWORD, code: phone.nextCode() }, member).expect(200);
    const next = await setUpTotp(service, member);
    expect(next.secret).not.toBe(phone.secret);
    await post('/v1/mfa/totp/enable', { code: next.code() }, member).expect(200);
    await expectProblem(post(VERIFY, { code: phone.code(1) }, member), 401, 'invalid_mfa_code');
    await expectProblem(post(VERIFY, { code: backupCodes[0] }, member), 401, 'invalid_mfa_code');
    await post(VERIFY, { code: next.code(1) }, member).expect(200);
  });

  it('leaves nothing for a code that was compared with the former secret just before', async () => {
    const { member } = await newGuarded(service);
    const record = service.app.get(FactorRecord);
    const { manager } = service.db;
    const wrapped = (await record.wrappedSecret(manager, member.userId))!;
    const step = 2 ** 40;
    expect(await record.acceptStep(manager, member.userId, Buffer.from('another'), step)).toBe(false);
    expect(await record.acceptStep(manager, member.userId, wrapped, step)).toBe(true);
  });

  it.each([DISABLE, REGENERATE])('%s leaves a factor alone that is not the one proved', async (path) => {
    const { member, phone } = await newGuarded(service);
    const factor = service.app.get(SecondFactor, { strict: false });
    const prove = factor.prove.bind(factor);
    jest.spyOn(factor, 'prove').mockImplementationOnce(async (...args) => {
      const proved = await prove(...args);
      await service.db.query(`UPDATE totp_factors SET wrapped_secret = 'another' WHERE user_id = $1`, [
        member.userId,
      ]);
      return proved;
    });
    const call = post(path, { password: PASSWORD, code: phone.nextCode() }, member);
    await expectProblem(call, 409, 'mfa_not_enabled');
    expect(await rowsOf(member.userId)).toEqual({ factors: 1, codes: 8 });
    expect((await accountOf(service, member.person.email)).mfa_enabled).toBe(true);
  });

  it('asks for the password first, and looks at no code without it', async () => {
    const { member, phone } = await newGuarded(service);
    const code = phone.nextCode();
    await expectProblem(post(DISABLE, { password: WRONG, code }, member), 403, 'invalid_current_password');
    await expectInvalid(post(DISABLE, { code }, member), 'password');
    await expectInvalid(post(DISABLE, { password: 5, code }, member), 'password');
    await post(DISABLE, { password: PASSWORD, code }, member).expect(200);
  });

  it('stops guessing at the password, together with a change of it', async () => {
    const { member, phone } = await newGuarded(service);
    const code = phone.nextCode();
    for (let i = 0; i < 3; i++) await post(DISABLE, { password: WRONG, code }, member).expect(403);
    const change = { current_password: WRONG, new_password: 'Kaveri-Morning-77?' };
    for (let i = 0; i < 2; i++) await post('/v1/users/change-password', change, member).expect(403);
    await expectProblem(post(DISABLE, { password: PASSWORD, code }, member), 429, 'rate_limited');
    await passLimitWindows(service);
    await post(DISABLE, { password: PASSWORD, code }, member).expect(200);
  });

  it('needs the code alone where the account has no password', async () => {
    const { member, phone } = await newGuarded(service);
    await setPasswordless(member.userId);
    await expectProblem(post(DISABLE, { code: phone.wrongCode() }, member), 401, 'invalid_mfa_code');
    await post(DISABLE, { code: phone.nextCode() }, member).expect(200);
  });
});

describe('POST /v1/mfa/backup-codes/regenerate', () => {
  it('makes eight new codes, ends the old ones, and tells the owner', async () => {
    const { member, phone, backupCodes } = await newGuarded(service);
    const { body, headers } = await post(REGENERATE, { code: phone.nextCode() }, member).expect(200);
    expect(body).toEqual({ backup_codes: expect.any(Array) });
    expect(new Set([...body.backup_codes, ...backupCodes]).size).toBe(16);
    expect(headers['cache-control']).toBe('no-store');
    expect(await eventsOf(service, member.userId, 'mfa.backup_codes_regenerated')).toEqual([
      { type: 'mfa.backup_codes_regenerated', actor: `user:${member.userId}`, data: { count: 8 } },
    ]);
    await service.mailTo(member.person.email, /^Your account has new backup codes$/);
    await expectProblem(post(VERIFY, { code: backupCodes[0] }, member), 401, 'invalid_mfa_code');
    await post(VERIFY, { code: body.backup_codes[0] }, member).expect(200);
  });

  it('leaves eight codes that work when several ask at once with different codes', async () => {
    const { member, backupCodes } = await newGuarded(service);
    const replies = await Promise.all(backupCodes.map((code) => post(REGENERATE, { code }, member)));
    const won = replies.filter(({ status }) => status === 200);
    expect(won.length).toBeGreaterThanOrEqual(1);
    for (const { status, body } of replies.filter((reply) => reply.status !== 200))
      expect([status, body.code]).toEqual([401, 'invalid_mfa_code']);
    expect(await rowsOf(member.userId)).toEqual({ factors: 1, codes: 8 });
  });
});

describe('proof of presence', () => {
  const prove = async (member: SignedIn, proof: ProofOfPresence): Promise<unknown> => {
    const { userId, sessionId } = member;
    return service.app
      .get(Presence)
      .require({ ...systemCaller(newId()), userId, sessionId }, proof)
      .then(
        () => 'proved',
        (error: AppError) => [error.kind, error.code, ...(error.extra ? [error.extra.methods] : [])],
      );
  };
  const tokenFor = async (member: SignedIn, code: string): Promise<string> =>
    (await post(VERIFY, { code }, member).expect(200)).body.verification_token;

  const REFUSED = (...methods: string[]) => ['forbidden', 'verification_required', methods];

  it('of an account with a second factor is its token, once, and no password', async () => {
    const { member, phone } = await newGuarded(service);
    const refused = REFUSED('totp', 'backup_code');
    expect(await prove(member, {})).toEqual(refused);
    expect(await prove(member, { password: PASSWORD })).toEqual(refused);
    expect(await prove(member, { password: PASSWORD, verificationToken: 'x' })).toEqual(refused);
    const verificationToken = await tokenFor(member, phone.nextCode());
    expect(await prove(member, { verificationToken })).toBe('proved');
    expect(await prove(member, { verificationToken })).toEqual(refused);
  });

  it('works once when twenty use it at the same time', async () => {
    const { member, phone } = await newGuarded(service);
    const verificationToken = await tokenFor(member, phone.nextCode());
    const answers = await Promise.all(Array.from({ length: 20 }, () => prove(member, { verificationToken })));
    expect(answers.filter((answer) => answer === 'proved')).toHaveLength(1);
  });

  it('is good in its own session alone, and not used up elsewhere', async () => {
    const { member, phone } = await newGuarded(service);
    const elsewhere = await signInGuarded(service, member.person, phone);
    const stranger = await newGuarded(service);
    const verificationToken = await tokenFor(member, phone.nextCode());
    const refused = REFUSED('totp', 'backup_code');
    expect(await prove(elsewhere, { verificationToken })).toEqual(refused);
    expect(await prove(stranger.member, { verificationToken })).toEqual(refused);
    expect(await prove(member, { verificationToken })).toBe('proved');
  });

  it('is over after five minutes', async () => {
    const { member, phone } = await newGuarded(service);
    const verificationToken = await tokenFor(member, phone.nextCode());
    const [key] = await service.redis.keys(`verification:{${member.userId}}:*`);
    expect(await service.redis.ttl(key!)).toBeGreaterThan(290);
    await service.redis.pexpire(key!, 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await prove(member, { verificationToken })).toEqual(REFUSED('totp', 'backup_code'));
  });

  it('of an account without a second factor is the password, which nobody guesses at for long', async () => {
    const member = await newSignedIn(service);
    expect(await prove(member, {})).toEqual(REFUSED('password'));
    expect(await prove(member, { verificationToken: 'x' })).toEqual(REFUSED('password'));
    expect(await prove(member, { password: PASSWORD })).toBe('proved');
    for (let i = 0; i < 5; i++)
      expect(await prove(member, { password: WRONG })).toEqual(['forbidden', 'invalid_current_password']);
    expect(await prove(member, { password: PASSWORD })).toEqual(['rate_limited', 'rate_limited']);
  });

  it('of an account with neither is a sign-in of the last five minutes', async () => {
    const member = await newSignedIn(service);
    await setPasswordless(member.userId);
    expect(await prove(member, {})).toBe('proved');
    service.advance(5 * 60_000);
    expect(await prove(member, { password: PASSWORD })).toEqual(REFUSED('sign_in'));
    expect(await prove({ ...member, sessionId: newId() }, {})).toEqual(REFUSED('sign_in'));
  });
});

describe('an administrator who takes a second factor off', () => {
  const caller = { ...systemCaller(newId()), actor: 'user:administrator' };
  const reset = (userId: string) => service.app.get(RemoveSecondFactor).reset(caller, userId, async () => {});

  it('ends every session and sign-in under way; the owner is told, and signs in without', async () => {
    const { member, phone } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    await reset(member.userId);
    expect(await isSignedIn(service, member.accessToken)).toBe(false);
    expect(await rowsOf(member.userId)).toEqual({ factors: 0, codes: 0 });
    await expectProblem(
      service.client().post('/v1/auth/mfa/verify', { mfa_token, code: phone.nextCode() }),
      401,
      'invalid_mfa_token',
    );
    await signIn(service, member.person);
    expect(await eventsOf(service, member.userId, 'mfa.disabled')).toEqual([
      { type: 'mfa.disabled', actor: 'user:administrator', data: { reason: 'reset' } },
    ]);
    const [ended] = (await eventsOf(service, member.userId, 'session.revoked')).slice(-1);
    expect(ended!.data).toMatchObject({ reason: 'mfa_reset', session_ids: [member.sessionId] });
    expect((await service.mailTo(member.person.email, /no longer has/)).text).toContain('An administrator');
  });

  it('is told where there is none, and changes nothing', async () => {
    const member = await newSignedIn(service);
    await expect(reset(member.userId)).rejects.toMatchObject({ code: 'mfa_not_enabled', kind: 'conflict' });
    expect(await isSignedIn(service, member.accessToken)).toBe(true);
    expect((await accountOf(service, member.person.email)).session_epoch).toBe(0);
  });
});
