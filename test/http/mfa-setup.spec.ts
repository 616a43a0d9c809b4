import { decodeJwt } from 'jose';
import jsQR from 'jsqr';
import { PNG } from 'pngjs';
import { SessionStore } from '../../src/sessions/session-store';
import { systemCaller } from '../../src/common/caller';
import { newId } from '../../src/common/ids';
import { Events } from '../../src/infra/events/events';
import { eventually, startService, TestService } from '../support/app';
import { accountOf, eventsOf } from '../support/account-rows';
import {
  Authenticator,
  beginSignIn,
  enableTotp,
  newGuarded,
  setUpTotp,
  signInGuarded,
} from '../support/authenticator';
import { passLimitWindows } from '../support/limit-windows';
import { isSignedIn, newSignedIn, signIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const SETUP = '/v1/mfa/totp/setup';
const ENABLE = '/v1/mfa/totp/enable';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const setUp = ({ accessToken }: SignedIn) => service.client().post(SETUP, {}, accessToken);
const enable = ({ accessToken }: SignedIn, code: unknown) =>
  service.client().post(ENABLE, { code }, accessToken);

describe('POST /v1/mfa/totp/setup', () => {
  it('answers a secret, its URI, and a picture of it that a phone reads', async () => {
    const member = await newSignedIn(service);
    const { body, headers } = await setUp(member).expect(200);
    const account = encodeURIComponent(member.person.email);
    expect(body).toEqual({
      secret: expect.stringMatching(/^[A-Z2-7]{32}$/),
      provisioning_uri: `otpauth://totp/user_service:${account}?secret=${body.secret}&issuer=user_service&algorithm=SHA1&digits=6&period=30`,
      qr_code: expect.stringMatching(/^data:image\/png;base64,/),
      expires_in: 600,
    });
    expect(headers['cache-control']).toBe('no-store');
    const { data, width, height } = PNG.sync.read(Buffer.from(body.qr_code.split(',')[1], 'base64'));
    expect(jsQR(new Uint8ClampedArray(data), width, height)?.data).toBe(body.provisioning_uri);
  });

  it('turns nothing on by itself', async () => {
    const member = await newSignedIn(service);
    await setUpTotp(service, member);
    await signIn(service, member.person);
    expect((await accountOf(service, member.person.email)).mfa_enabled).toBe(false);
    expect(await eventsOf(service, member.userId, 'mfa.enabled')).toEqual([]);
  });

  it('keeps the secret in Redis for ten minutes, and not in the clear', async () => {
    const member = await newSignedIn(service);
    const { secret } = await setUpTotp(service, member);
    const key = `totp-setup:{${member.userId}}`;
    expect(await service.redis.ttl(key)).toBeGreaterThan(590);
    expect(await service.redis.ttl(key)).toBeLessThanOrEqual(600);
    const stored = (await service.redis.get(key))!;
    expect(stored).not.toContain(secret);
    expect(Buffer.from(stored, 'base64').includes(secret)).toBe(false);
  });

  it('replaces a secret that was not confirmed', async () => {
    const member = await newSignedIn(service);
    const first = await setUpTotp(service, member);
    const second = await setUpTotp(service, member);
    expect(second.secret).not.toBe(first.secret);
    await expectProblem(enable(member, first.code()), 401, 'invalid_mfa_code');
    await enable(member, second.code()).expect(200);
  });

  it('is refused where the second factor is on', async () => {
    const { member } = await newGuarded(service);
    await expectProblem(setUp(member), 409, 'mfa_already_enabled');
  });

  it('needs somebody who has signed in, and not too often', async () => {
    await expectProblem(service.client().post(SETUP, {}), 401, 'not_authenticated');
    const member = await newSignedIn(service);
    for (let i = 0; i < 20; i++) await setUp(member).expect(200);
    await expectProblem(setUp(member), 429, 'rate_limited');
    await passLimitWindows(service);
    await setUp(member).expect(200);
  });
});

describe('POST /v1/mfa/totp/enable', () => {
  it('turns the second factor on, answers eight backup codes once, and tells the owner', async () => {
    const member = await newSignedIn(service);
    const phone = await setUpTotp(service, member);
    const { body, headers } = await enable(member, phone.code()).expect(200);
    expect(body).toEqual({ mfa_enabled: true, backup_codes: expect.any(Array) });
    expect(new Set(body.backup_codes).size).toBe(8);
    for (const code of body.backup_codes)
      expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/);
    expect(headers['cache-control']).toBe('no-store');
    expect(await eventsOf(service, member.userId, 'mfa.enabled')).toEqual([
      { type: 'mfa.enabled', actor: `user:${member.userId}`, data: { method: 'totp' } },
    ]);
    await service.mailTo(member.person.email, /^Your account has a second factor$/);
    const me = await service.client().get('/v1/users/me', member.accessToken).expect(200);
    expect(me.body.mfa_enabled).toBe(true);
  });

  it('leaves no secret and no backup code in the tables, in Redis or in events', async () => {
    const { member, phone, backupCodes } = await newGuarded(service);
    const plain = [phone.secret, ...backupCodes, ...backupCodes.map((code) => code.replace('-', ''))];
    const rows = await service.db.query(
      `SELECT f::text || coalesce(string_agg(c::text, ' '), '') AS text, max(wrapped_secret) AS wrapped
       FROM totp_factors f JOIN mfa_backup_codes c USING (user_id) WHERE user_id = $1 GROUP BY f`,
      [member.userId],
    );
    const events = await service.db.query(
      `SELECT string_agg(e::text, ' ') AS text FROM events e WHERE subject = $1`,
      [`user:${member.userId}`],
    );
    const mails = await service.db.query(
      `SELECT coalesce(string_agg(m::text, ' '), '') AS text FROM mail_outbox m`,
    );
    expect(rows).toHaveLength(1);
    for (const text of plain) {
      for (const [{ text: stored }] of [rows, events, mails]) expect(stored).not.toContain(text);
      expect(rows[0].wrapped.includes(text)).toBe(false);
    }
    expect(await service.redis.exists(`totp-setup:{${member.userId}}`)).toBe(0);
  });

  it('ends every other session, and makes this one one with the second factor', async () => {
    const member = await newSignedIn(service);
    const other = await signIn(service, member.person);
    await enableTotp(service, member);
    expect(await isSignedIn(service, member.accessToken)).toBe(true);
    expect(await isSignedIn(service, other.accessToken)).toBe(false);
    await expectProblem(
      service.client().post('/v1/auth/refresh', { refresh_token: other.refreshToken }),
      401,
      'invalid_refresh_token',
    );
    const { body } = await service.client().get('/v1/auth/sessions', member.accessToken).expect(200);
    expect(body.sessions).toMatchObject([
      { session_id: member.sessionId, mfa_verified: true, current: true },
    ]);
    const [revoked] = await eventsOf(service, member.userId, 'session.revoked');
    expect(revoked!.data).toMatchObject({ reason: 'mfa_enabled', session_ids: [other.sessionId] });
  });

  it('uses the code up: it opens nothing else', async () => {
    const { member, used } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    await expectProblem(
      service.client().post('/v1/auth/mfa/verify', { mfa_token, code: used }),
      401,
      'invalid_mfa_code',
    );
  });

  it('refuses where nothing was set up, and where the secret is too old', async () => {
    const member = await newSignedIn(service);
    await expectProblem(enable(member, '123456'), 409, 'mfa_setup_required');
    const phone = await setUpTotp(service, member);
    await service.redis.pexpire(`totp-setup:{${member.userId}}`, 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expectProblem(enable(member, phone.code()), 409, 'mfa_setup_required');
  });

  it.each<[string, (phone: Authenticator) => string]>([
    ['a wrong code', (phone) => phone.wrongCode()],
    ['the code of two steps ago', (phone) => phone.code(-2)],
    ['seven digits', (phone) => `${phone.code()}0`],
    [
      'digits of another script',
      (phone) => [...phone.code()].map((digit) => '٠١٢٣٤٥٦٧٨٩'[Number(digit)]).join(''),
    ],
    ['a backup code', () => '7KQ2-M9XD'],
    ['nothing', () => ''],
  ])('refuses %s', async (_what, code) => {
    const member = await newSignedIn(service);
    const phone = await setUpTotp(service, member);
    await expectProblem(enable(member, code(phone)), 401, 'invalid_mfa_code');
    expect((await accountOf(service, member.person.email)).mfa_enabled).toBe(false);
  });

  it.each<[string, unknown]>([
    ['a number', 123456],
    ['none', undefined],
    ['null', null],
    ['a list', ['123456']],
    ['an object', { $ne: '' }],
    ['65 characters', '1'.repeat(65)],
    ['NUL', '12345\0'],
  ])('refuses a code that is %s', async (_what, code) => {
    await expectInvalid(enable(await newSignedIn(service), code), 'code');
  });

  it('is refused a second time', async () => {
    const { member, phone } = await newGuarded(service);
    await expectProblem(enable(member, phone.nextCode()), 409, 'mfa_already_enabled');
  });

  it('is refused after ten wrong codes, with a right one too', async () => {
    const member = await newSignedIn(service);
    const phone = await setUpTotp(service, member);
    for (let tries = 0; tries < 10; tries++) {
      await expectProblem(enable(member, phone.wrongCode()), 401, 'invalid_mfa_code');
    }
    await expectProblem(enable(member, phone.code()), 429, 'rate_limited');
  });

  it('happens once when twenty ask at once, from two sessions', async () => {
    const member = await newSignedIn(service);
    const other = await signIn(service, member.person);
    const phone = await setUpTotp(service, member);
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, i) => enable(i % 2 ? member : other, phone.code())),
    );
    const won = replies.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    for (const { status, body } of replies.filter((reply) => reply !== won[0])) {
      expect([
        '409 mfa_already_enabled',
        '409 mfa_setup_required',
        '401 invalid_access_token',
        '429 rate_limited',
      ]).toContain(`${status} ${body.code}`);
    }
    expect(await eventsOf(service, member.userId, 'mfa.enabled')).toHaveLength(1);
    await passLimitWindows(service);
    // What the winner got are the codes that count.
    const mfa_token = await beginSignIn(service, member.person);
    const [code] = won[0]!.body.backup_codes;
    await service.client().post('/v1/auth/mfa/verify', { mfa_token, code }).expect(200);
  });

  it('leaves no session without the factor when people sign in and refresh at the same moment', async () => {
    const member = await newSignedIn(service);
    const other = await signIn(service, member.person);
    const phone = await setUpTotp(service, member);
    const { email, password } = member.person;
    const [enabled, ...replies] = await Promise.all([
      enable(member, phone.code()),
      ...Array.from({ length: 10 }, () =>
        service.client().post('/v1/auth/login', { email, password, token_delivery: 'body' }),
      ),
      service.client().post('/v1/auth/refresh', { refresh_token: other.refreshToken }),
    ]);
    expect(enabled.status).toBe(200);
    for (const { body } of replies.filter(({ body }) => body.access_token)) {
      expect(await isSignedIn(service, body.access_token)).toBe(false);
      await expectProblem(
        service.client().post('/v1/auth/refresh', { refresh_token: body.refresh_token }),
        401,
        'invalid_refresh_token',
      );
    }
    const { body } = await service.client().get('/v1/auth/sessions', member.accessToken).expect(200);
    expect(body.sessions).toMatchObject([{ session_id: member.sessionId, mfa_verified: true }]);
  });

  it('marks the session in the step that ends the others: no refresh can come in between', async () => {
    const member = await newSignedIn(service);
    const phone = await setUpTotp(service, member);
    const store = service.app.get(SessionStore, { strict: false });
    const revokeBefore = store.revokeBefore.bind(store);
    let refreshed: unknown;
    jest.spyOn(store, 'revokeBefore').mockImplementation(async (...args) => {
      await revokeBefore(...args);
      // The relay may still be at it for somebody else.
      if (args[0] !== member.userId || refreshed !== undefined) return;
      const { status, body } = await service
        .client()
        .post('/v1/auth/refresh', { refresh_token: member.refreshToken });
      refreshed = [status, body.access_token && decodeJwt(body.access_token as string).mfa];
    });
    await enable(member, phone.code()).expect(200);
    expect(refreshed).toEqual([200, true]);
    expect(await isSignedIn(service, member.accessToken)).toBe(true);
  });

  it('has the relay mark the session, where the service could not after the commit', async () => {
    const { userId, sessionId, accessToken } = await newSignedIn(service);
    await service.db.transaction(async (tx) => {
      await tx.query(`UPDATE users SET session_epoch = 1, mfa_enabled = true WHERE id = $1`, [userId]);
      await service.app.get(Events, { strict: false }).record(tx, systemCaller(newId()), {
        type: 'session.revoked',
        subject: `user:${userId}`,
        data: { reason: 'mfa_enabled', session_ids: [], before_epoch: 1, kept_session_ids: [sessionId] },
      });
    });
    await eventually(async () => {
      const { body } = await service.client().get('/v1/auth/sessions', accessToken).expect(200);
      return body.sessions[0].mfa_verified === true;
    }, 'the session to be marked');
  });

  it('is refused to a session that was ended at this moment', async () => {
    const member = await newSignedIn(service);
    const phone = await setUpTotp(service, member);
    // As a password reset leaves it that has just committed: the session is still in Redis, its epoch is over.
    await service.db.query(`UPDATE users SET session_epoch = session_epoch + 1 WHERE id = $1`, [
      member.userId,
    ]);
    await expectProblem(enable(member, phone.code()), 401, 'invalid_access_token');
    expect((await accountOf(service, member.person.email)).mfa_enabled).toBe(false);
  });
});

describe('where a second factor is not offered', () => {
  let without: TestService;
  beforeAll(async () => {
    without = await service.another({ FEATURE_MFA_TOTP: 'false' });
  });
  afterAll(() => without.stop());

  it('setting one up and turning it on are refused', async () => {
    const { accessToken } = await newSignedIn(without);
    const client = without.client();
    await expectProblem(client.post(SETUP, {}, accessToken), 403, 'feature_disabled');
    await expectProblem(client.post(ENABLE, { code: '123456' }, accessToken), 403, 'feature_disabled');
  });

  it('those who have one are asked for it all the same', async () => {
    const { member, phone, backupCodes } = await newGuarded(service);
    const mfa_token = await beginSignIn(without, member.person);
    const client = without.client();
    await expectProblem(
      client.post('/v1/auth/mfa/verify', { mfa_token, code: phone.wrongCode() }),
      401,
      'invalid_mfa_code',
    );
    await client.post('/v1/auth/mfa/verify', { mfa_token, code: backupCodes[0] }).expect(200);
    expect((await signInGuarded(service, member.person, phone)).userId).toBe(member.userId);
  });
});
