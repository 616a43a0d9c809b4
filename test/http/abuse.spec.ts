import { startService, TestService } from '../support/app';
import { accountOf, eventsOf } from '../support/account-rows';
import { passLimitWindows } from '../support/limit-windows';
import { askForReset, mailsSent } from '../support/mailed-links';
import { isSignedIn, newPerson, newSignedIn, PASSWORD, register, signIn, tokenIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { MailOutbox } from '../../src/infra/mail/mail-outbox';

const REGISTER = '/v1/auth/register';
const RESET = '/v1/auth/password/reset';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NEW = 'Kaveri-Morning-77?';

describe('somebody who means harm', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const subjectsTo = async (email: string, subject: RegExp): Promise<string[]> => {
    await mailsSent(service);
    return (await service.mails(email)).map((mail) => mail.subject).filter((text) => subject.test(text));
  };

  it('cannot fill a mailbox by signing up with its address, and is told nothing of that', async () => {
    const person = await register(service);
    // Their own sign-up counts too.
    await passLimitWindows(service);
    const replies = [];
    for (let i = 0; i < 5; i++) {
      const { body } = await service.client().post(REGISTER, person).expect(201);
      replies.push(JSON.stringify({ ...body, created_at: '' }));
    }
    expect(new Set(replies).size).toBe(1);
    expect(await subjectsTo(person.email, /already have an account/)).toHaveLength(3);
  });

  it('cannot fill the mailbox, or the table of devices, by inventing devices', async () => {
    const { person, userId } = await newSignedIn(service);
    service.advance(25 * HOUR);
    for (let i = 0; i < 55; i++) await signIn(service, person, { device_fingerprint: `device-${i}` });
    expect(await subjectsTo(person.email, /^New sign-in/)).toHaveLength(10);
    const [{ count }] = await service.db.query(`SELECT count(*)::int FROM known_devices WHERE user_id = $1`, [
      userId,
    ]);
    expect(count).toBe(50);
  });

  it('is stopped after thirty passwords that are refused, and nobody is after five', async () => {
    const [person, bad] = [service.client(), service.client()];
    const weak = { ...newPerson(), password: 'weak' };
    for (let i = 0; i < 5; i++) await person.post(REGISTER, weak).expect(422);
    await person.post(REGISTER, newPerson()).expect(201);
    for (let i = 0; i < 30; i++) await bad.post(REGISTER, weak).expect(422);
    await expectProblem(bad.post(REGISTER, newPerson()), 429, 'rate_limited');
  });

  it('cannot keep the hashing threads busy by changing a password that is known', async () => {
    const { accessToken } = await newSignedIn(service);
    const passwords = Array.from({ length: 12 }, (_, i) => (i === 0 ? PASSWORD : `Kaveri-Morning-${i}?`));
    const change = (i: number) =>
      service
        .client()
        .post(
          '/v1/users/change-password',
          { current_password: passwords[i], new_password: passwords[i + 1] },
          accessToken,
        );
    for (let i = 0; i < 10; i++) await change(i).expect(200);
    await expectProblem(change(10), 429, 'rate_limited');
  });

  it('cannot keep the hashing threads busy with a link that stays good, and holds up nobody else’s', async () => {
    const [mine, theirs] = [await register(service), await register(service)];
    // From wherever: the tries of all links of one account count together.
    const tokens = [await askForReset(service, mine.email), await askForReset(service, mine.email)];
    const other = await askForReset(service, theirs.email);
    const reset = (token: string, new_password: string) =>
      service.client().post(RESET, { token, new_password });
    for (let i = 0; i < 30; i++) await expectProblem(reset(tokens[i % 2]!, 'weak'), 422, 'password_policy');
    const { headers } = await expectProblem(reset(tokens[0]!, NEW), 429, 'rate_limited');
    expect(Number(headers['retry-after'])).toBeGreaterThan(800);
    await expectProblem(reset(`${tokens[0]}A`, NEW), 400, 'invalid_reset_token');
    await reset(other, NEW).expect(200);
    await passLimitWindows(service);
    await reset(tokens[1]!, NEW).expect(200);
  });

  it.each([
    ['reset links', '/v1/auth/password/reset-request', 200],
    ['verification links', '/v1/auth/email/resend', 202],
  ])(
    'who may ask for no more %s takes none from the addresses that they name',
    async (_what, path, status) => {
      const { email } = newPerson();
      const bad = service.client();
      for (let i = 0; i < 5; i++) await bad.post(path, { email: newPerson().email }).expect(status);
      for (let i = 0; i < 10; i++) await expectProblem(bad.post(path, { email }), 429, 'rate_limited');
      for (let i = 0; i < 5; i++) await service.client().post(path, { email }).expect(status);
      await expectProblem(service.client().post(path, { email }), 429, 'rate_limited');
    },
  );

  it.each(['Asha\nRao', 'Asha\r\nBcc: x', 'Asha\u2028Rao', 'Asha\u2029Rao', 'Asha\u0007', '\u202eAsha'])(
    'has no name that takes more than a line or cannot be seen: %j',
    async (name) => {
      await expectInvalid(service.client().post(REGISTER, { ...newPerson(), name }), 'name');
      const { accessToken } = await newSignedIn(service);
      await expectInvalid(service.client().patch('/v1/users/me', { name }, accessToken), 'name');
    },
  );

  it('writes nothing of their own into mails to an address that is not proved to be theirs', async () => {
    const person = await register(service, { ...newPerson(), name: 'Win a prize at evil.test' });
    const { email } = person;
    await service.client().post('/v1/auth/email/resend', { email }).expect(202);
    await service.client().post(REGISTER, person).expect(201);
    await askForReset(service, email);
    const mails = await service.mails(email);
    expect(mails).toHaveLength(4);
    for (const { subject, text, html } of mails) expect(subject + text + html).not.toContain('prize');
  });

  it.each(['"asha"@example.org', '"asha rao"@example.org', '"a@b"@example.org'])(
    'cannot sign up with a quoted address: %s',
    async (email) => expectInvalid(service.client().post(REGISTER, { ...newPerson(), email }), 'email'),
  );

  it.each([
    'https://x.test/\0.png',
    'https://x.test/\ud800.png',
    'https://a:b@x.test/a',
    'https://a@x.test/a',
  ])('cannot make others load a picture from %j', async (avatar_url) => {
    const { accessToken } = await newSignedIn(service);
    await expectInvalid(service.client().patch('/v1/users/me', { avatar_url }, accessToken), 'avatar_url');
  });

  it('who signed up with the address of another loses the account to its owner', async () => {
    const thief = await newSignedIn(service);
    const { email } = thief.person;
    const token = await askForReset(service, email);
    await service.client().post(RESET, { token, new_password: NEW }).expect(200);
    expect(await isSignedIn(service, thief.accessToken)).toBe(false);
    await expectProblem(
      service.client().post('/v1/auth/refresh', { refresh_token: thief.refreshToken }),
      401,
      'invalid_refresh_token',
    );
    await expectProblem(
      service.client().post('/v1/auth/login', { email, password: PASSWORD }),
      401,
      'invalid_credentials',
    );
    const owner = await signIn(service, { ...thief.person, password: NEW });
    const { body } = await service.client().get('/v1/users/me', owner.accessToken).expect(200);
    expect(body).toMatchObject({ email, email_verified: true, status: 'active' });
  });

  it('counts as one address, whatever port a proxy adds to it', async () => {
    const from = (forwarded: string) =>
      service.client().post(REGISTER, newPerson()).set('X-Forwarded-For', forwarded);
    for (const port of [':1', ':2', ':65535', '', ':3']) await from(`198.51.100.7${port}`).expect(201);
    await from('198.51.100.7:4').expect(429);
    for (const host of [
      '[2001:db8::1]:1',
      '[2001:db8::1]',
      '2001:db8::1',
      '[2001:db8::1]:2',
      '[2001:db8::2]:1',
    ])
      await from(host).expect(201);
    await from('[2001:db8::1]:4').expect(429);
  });
});

describe('a link', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('that was mailed late is good for its full time all the same, and is asked for once', async () => {
    const { email } = await register(service);
    const job = {
      id: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
      kind: 'password_reset',
      payload: { email, request_id: 'late', ip: '192.0.2.7', user_agent: null },
      createdAt: new Date(),
    };
    const compose = async () => tokenIn((await service.app.get(MailOutbox).composer(job.kind)!(job))!);
    const token = await compose();
    service.advance(25 * MINUTE);
    expect(await compose()).toBe(token);
    service.advance(25 * MINUTE);
    const { id } = await accountOf(service, email);
    expect(await eventsOf(service, id as string, 'password.reset_requested')).toHaveLength(1);
    await service.client().post(RESET, { token, new_password: NEW }).expect(200);
  });

  it('leaves its row for a day after its end, and no longer', async () => {
    const { email } = await register(service);
    await mailsSent(service);
    const { id } = await accountOf(service, email);
    const count = async () =>
      (await service.db.query(`SELECT count(*)::int FROM one_time_tokens WHERE user_id = $1`, [id]))[0].count;
    service.advance(47 * HOUR);
    await askForReset(service, email);
    expect(await count()).toBe(2);
    service.advance(49 * HOUR);
    await askForReset(service, email);
    expect(await count()).toBe(1);
  });
});

describe('an address', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('with a tag is another one than without', async () => {
    const { email, ...rest } = await register(service);
    const tagged = { ...rest, email: email.replace('@', '+shop@') };
    const [plain, other] = [
      await signIn(service, { email, ...rest }),
      await signIn(service, await register(service, tagged)),
    ];
    expect(other.userId).not.toBe(plain.userId);
  });

  it('is refused where its letters are decomposed: it would look like another', async () => {
    const email = 'asha@bu\u0308cher.example';
    await expectInvalid(service.client().post(REGISTER, { ...newPerson(), email }), 'email');
  });
});

describe('an id', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('in upper case shows the same person', async () => {
    const { userId, accessToken } = await newSignedIn(service);
    const { body } = await service
      .client()
      .get(`/v1/users/profile/${userId.toUpperCase()}`, accessToken)
      .expect(200);
    expect(body.user_id).toBe(userId);
  });
});
