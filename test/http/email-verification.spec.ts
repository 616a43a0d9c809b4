import { startService, TestService } from '../support/app';
import { accountOf, deleteAccount, eventsOf, setStatus } from '../support/account-rows';
import { passLimitWindows } from '../support/limit-windows';
import { askForReset, askForVerification, mailsSent } from '../support/mailed-links';
import { newPerson, register, signIn, tokenIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const VERIFY = '/v1/auth/email/verify';
const RESEND = '/v1/auth/email/resend';
const HOUR = 3_600_000;

async function firstToken(service: TestService, email: string): Promise<string> {
  return tokenIn(await service.mailTo(email, /^Verify/));
}

describe('POST /v1/auth/email/verify', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('makes the account active and the address verified', async () => {
    const person = await register(service);
    const mail = await service.mailTo(person.email, /^Verify/);
    expect(mail.text).toMatch(/http:\/\/id\.test\/verify-email\?token=[\w-]+/);
    const { body } = await service
      .client()
      .post(VERIFY, { token: tokenIn(mail) })
      .expect(200);
    expect(body).toEqual({ email: person.email, status: 'active' });
    const { status, id } = await accountOf(service, person.email);
    expect(status).toBe('active');
    expect(await eventsOf(service, id as string, 'user.email_verified')).toEqual([
      { type: 'user.email_verified', actor: `user:${id as string}`, data: {} },
    ]);
    const login = await service
      .client()
      .post('/v1/auth/login', { email: person.email, password: person.password })
      .expect(200);
    expect(login.body.user).toMatchObject({ status: 'active', email_verified: true });
  });

  it('works once, also when twenty arrive together', async () => {
    const { email } = await register(service);
    const token = await firstToken(service, email);
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => service.client().post(VERIFY, { token })),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(19).fill(400)]);
    await expectProblem(service.client().post(VERIFY, { token }), 400, 'invalid_verification_token');
    const { id } = await accountOf(service, email);
    expect(await eventsOf(service, id as string, 'user.email_verified')).toHaveLength(1);
  });

  it('ends every other link of the account', async () => {
    const { email } = await register(service);
    const older = await firstToken(service, email);
    const newer = await askForVerification(service, email);
    await service.client().post(VERIFY, { token: newer }).expect(200);
    await expectProblem(service.client().post(VERIFY, { token: older }), 400, 'invalid_verification_token');
  });

  it('refuses a link after 24 hours, and not before', async () => {
    const [early, late] = [await register(service), await register(service)];
    const tokens = [await firstToken(service, early.email), await firstToken(service, late.email)];
    service.advance(24 * HOUR - 60_000);
    await service.client().post(VERIFY, { token: tokens[0] }).expect(200);
    service.advance(60_000);
    await expectProblem(
      service.client().post(VERIFY, { token: tokens[1] }),
      400,
      'invalid_verification_token',
    );
    expect((await accountOf(service, late.email)).email_verified_at).toBeNull();
    await service
      .client()
      .post(VERIFY, { token: await askForVerification(service, late.email) })
      .expect(200);
  });

  it.each<[string, (email: string) => Promise<unknown>]>([
    ['suspended', (email) => setStatus(service, email, 'suspended')],
    ['deactivated', (email) => setStatus(service, email, 'deactivated')],
    ['deleted', (email) => deleteAccount(service, email)],
    [
      'of another address now',
      (email) => service.db.query(`UPDATE users SET email = $1 WHERE email = $2`, [newPerson().email, email]),
    ],
  ])('refuses the link of an account that is %s', async (_what, change) => {
    const { email } = await register(service);
    const { id } = await accountOf(service, email);
    const token = await firstToken(service, email);
    await change(email);
    await expectProblem(service.client().post(VERIFY, { token }), 400, 'invalid_verification_token');
    expect(await eventsOf(service, id as string, 'user.email_verified')).toEqual([]);
  });

  it('refuses tokens that were not made for this', async () => {
    const { email } = await register(service);
    const good = await firstToken(service, email);
    const reset = await askForReset(service, email);
    for (const token of ['', 'x', good.slice(1), `${good}A`, reset]) {
      await expectProblem(service.client().post(VERIFY, { token }), 400, 'invalid_verification_token');
    }
    await service.client().post(VERIFY, { token: good }).expect(200);
  });

  it.each([{}, { token: 1 }, { token: 'a\0' }, { token: 'a'.repeat(1025) }])('refuses %j', async (body) => {
    await expectInvalid(service.client().post(VERIFY, body), 'token');
  });
});

describe('POST /v1/auth/email/resend', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('answers the same for every address, and mails only to those to be verified', async () => {
    const [pending, verified, unknown] = [await register(service), await register(service), newPerson()];
    await service
      .client()
      .post(VERIFY, { token: await firstToken(service, verified.email) })
      .expect(200);
    await mailsSent(service);
    for (const { email } of [pending, verified, unknown]) {
      const { body } = await service.client().post(RESEND, { email }).expect(202);
      expect(body).toEqual({
        message: 'If this address has an account that is not verified, a mail is on its way.',
      });
    }
    await mailsSent(service);
    expect(await service.mails(pending.email)).toHaveLength(2);
    expect(await service.mails(verified.email)).toHaveLength(1);
    expect(await service.mails(unknown.email)).toEqual([]);
    await signIn(service, pending);
  });

  it('takes five requests an hour for an address and from a client', async () => {
    const { email } = newPerson();
    const client = service.client();
    for (let i = 0; i < 5; i++) await client.post(RESEND, { email }).expect(202);
    await expectProblem(service.client().post(RESEND, { email }), 429, 'rate_limited');
    await expectProblem(client.post(RESEND, { email: newPerson().email }), 429, 'rate_limited');
    await passLimitWindows(service);
    await client.post(RESEND, { email }).expect(202);
  });

  it('is counted apart from requests for a reset', async () => {
    const { email } = newPerson();
    const client = service.client();
    for (let i = 0; i < 5; i++) await client.post(RESEND, { email }).expect(202);
    await client.post('/v1/auth/password/reset-request', { email }).expect(200);
  });

  it('refuses what is no address', async () => {
    await expectInvalid(service.client().post(RESEND, { email: 'asha@' }), 'email');
  });
});
