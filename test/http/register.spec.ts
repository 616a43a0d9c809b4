import { startService, TestService } from '../support/app';
import { accountOf, eventsOf } from '../support/account-rows';
import { passLimitWindows } from '../support/limit-windows';
import { newPerson, register, signIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { expectSameTime, measureInTurns } from '../support/timing';

const PATH = '/v1/auth/register';

describe('POST /v1/auth/register', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('makes an account that may sign in, with the role of a trader', async () => {
    const person = newPerson();
    const email = ` ${person.email.toUpperCase()} `;
    const { body } = await service
      .client()
      .post(PATH, { ...person, email })
      .expect(201);
    expect(body).toEqual({
      email: person.email,
      status: 'pending_verification',
      verification_email_sent: true,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
    const account = await accountOf(service, person.email);
    expect(account).toMatchObject({ timezone: 'UTC', locale: 'en-US', phone: null, email_verified_at: null });
    expect(account.password_hash).toMatch(/^\$2b\$04\$/);
    const { userId } = await signIn(service, person);
    expect(await eventsOf(service, userId)).toMatchObject([
      { type: 'user.registered', actor: `user:${userId}`, data: { method: 'password' } },
      { type: 'role.assigned', data: { role: 'trader' } },
      { type: 'user.login' },
      { type: 'session.created' },
    ]);
    await service.mailTo(person.email, /^Verify your e-mail address$/);
  });

  it('keeps phone, time zone and locale where they are given', async () => {
    const person = newPerson();
    const more = { phone: '+919876543210', timezone: 'Asia/Kolkata', locale: 'en-IN' };
    await service
      .client()
      .post(PATH, { ...person, ...more })
      .expect(201);
    expect(await accountOf(service, person.email)).toMatchObject(more);
  });

  it('answers the same for a taken address, changes nothing and tells the owner by mail', async () => {
    const person = await register(service);
    const before = await accountOf(service, person.email);
    const first = await service.client().post(PATH, newPerson()).expect(201);
    const again = await service
      .client()
      .post(PATH, { ...person, name: 'Mallory', password: 'Cauvery-Evening-77?' })
      .expect(201);
    expect({ ...again.body, created_at: '' }).toEqual({
      ...first.body,
      email: person.email,
      created_at: '',
    });
    expect(Object.keys(again.headers).sort()).toEqual(Object.keys(first.headers).sort());
    expect(await accountOf(service, person.email)).toEqual(before);
    const mail = await service.mailTo(person.email, /^You already have an account$/);
    expect(mail.text).not.toContain('Mallory');
    await signIn(service, person);
  });

  it('makes one account of twenty sign-ups at once, and answers all alike', async () => {
    const person = newPerson();
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => service.client().post(PATH, person).expect(201)),
    );
    expect(new Set(replies.map(({ body }) => JSON.stringify({ ...body, created_at: '' }))).size).toBe(1);
    const { id } = await accountOf(service, person.email);
    expect(await eventsOf(service, id as string, 'user.registered')).toHaveLength(1);
  });

  it('ignores fields it does not know, and stores none of them', async () => {
    const person = newPerson();
    await service
      .client()
      .post(PATH, {
        ...person,
        roles: ['admin'],
        status: 'active',
        id: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
        email_verified_at: '2026-01-01T00:00:00Z',
        passwordHash: 'x',
        isAdmin: true,
      })
      .expect(201);
    const account = await accountOf(service, person.email);
    expect(account).toMatchObject({ status: 'pending_verification', email_verified_at: null });
    expect(account.id).not.toBe('0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10');
    const roles = await service.db.query(`SELECT role FROM user_roles WHERE user_id = $1`, [account.id]);
    expect(roles).toEqual([{ role: 'trader' }]);
  });

  it.each<[string, object, string]>([
    ['no address', { email: undefined }, 'email'],
    ['an address without a domain', { email: 'asha' }, 'email'],
    ['an address that is no text', { email: { $ne: '' } }, 'email'],
    ['an address with a line break', { email: 'asha@example.org\r\nBcc: all@example.org' }, 'email'],
    ['an address in look-alike letters', { email: 'ａsha@example.org' }, 'email'],
    ['an address with NUL', { email: 'asha\0@example.org' }, 'email'],
    ['an address of 255 characters', { email: `${'a'.repeat(60)}@${'b'.repeat(190)}.org` }, 'email'],
    ['no password', { password: undefined }, 'password'],
    ['a password that is a number', { password: 123456789012 }, 'password'],
    ['a password with NUL', { password: 'Ganga-Sunrise\0-42!' }, 'password'],
    ['a password with half a surrogate pair', { password: 'Ganga-Sunrise-42!\ud800' }, 'password'],
    ['a password of 1025 characters', { password: 'Aa1!'.repeat(256) + 'x' }, 'password'],
    ['no name', { name: undefined }, 'name'],
    ['a blank name', { name: '  ' }, 'name'],
    ['a name of 256 characters', { name: 'a'.repeat(256) }, 'name'],
    ['a name with NUL', { name: 'Asha\0Rao' }, 'name'],
    ['a phone number that is not E.164', { phone: '09876 543210' }, 'phone'],
    ['a phone number that is null', { phone: null }, 'phone'],
    ['an unknown time zone', { timezone: 'Mars/Olympus' }, 'timezone'],
    ['a UTC offset as time zone', { timezone: '+05:30' }, 'timezone'],
    ['a locale that is no tag', { locale: 'english please' }, 'locale'],
    ['a list of locales', { locale: ['en-US'] }, 'locale'],
  ])('refuses %s', async (_what, wrong, field) => {
    await expectInvalid(service.client().post(PATH, { ...newPerson(), ...wrong }), field);
  });

  it('names every field that is wrong', async () => {
    await expectInvalid(service.client().post(PATH, {}), 'email', 'password', 'name');
  });

  it('refuses more than five sign-ups an hour from one address, and takes them again after it', async () => {
    const client = service.client();
    for (let i = 0; i < 5; i++) await client.post(PATH, newPerson()).expect(201);
    const { headers } = await expectProblem(client.post(PATH, newPerson()), 429, 'rate_limited');
    expect(Number(headers['retry-after'])).toBeGreaterThan(3500);
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(3600);
    await service.client().post(PATH, newPerson()).expect(201);
    await passLimitWindows(service);
    await client.post(PATH, newPerson()).expect(201);
  });
});

describe('the password policy at sign-up', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const SHORT = 'must have at least 12 characters';
  const LONG = 'must have at most 72 bytes in UTF-8';
  const UPPER = 'must contain an upper-case letter';
  const LOWER = 'must contain a lower-case letter';
  const DIGIT = 'must contain a digit';
  const SPECIAL = 'must contain a special character';
  const OWN = 'must not contain your name or e-mail address';
  const EASY = 'is too easy to guess';

  it.each<[string, string, string[]]>([
    ['eleven characters', 'Xk7!qZm9$wV', [SHORT]],
    ['eleven characters of two code units', '𝒳𝓀7!qZm9$wV', [SHORT]],
    ['no upper case', 'xk7!qzm9$wvb', [UPPER]],
    ['no lower case', 'XK7!QZM9$WVB', [LOWER]],
    ['no digit', 'Xka!qZmb$wVb', [DIGIT]],
    ['no special character', 'Xk7qZm9wVbTr', [SPECIAL]],
    ['73 bytes', `Xk7!${'qZm9$wVbT'.repeat(8).slice(0, 69)}`, [LONG]],
    ['25 characters of three bytes', `Xk7!${'नमस्ते'.repeat(4)}`, [LONG]],
    ['a word of the name', 'Xk7!ashAqZm9$', [OWN]],
    ['the start of the address', 'Xk7!ravi.kumar$Zm9', [OWN]],
    ['a common password', 'Password123!', [EASY]],
    ['a keyboard walk', 'Qwertyuiop1!', [EASY]],
    ['nothing right', 'aaa', [SHORT, UPPER, DIGIT, SPECIAL, EASY]],
    ['nothing at all', '', [SHORT, UPPER, LOWER, DIGIT, SPECIAL, EASY]],
    ['everything wrong with something long', 'asha'.repeat(20), [LONG, UPPER, DIGIT, SPECIAL, OWN]],
  ])('refuses %s, with one entry for each broken rule', async (_what, password, rules) => {
    const body = { email: 'ravi.kumar@example.org', name: 'Asha Rao', password };
    const problem = await expectProblem(service.client().post(PATH, body), 422, 'password_policy');
    expect(problem.body.errors).toEqual(
      rules.map((rule) => ({ field: 'password', message: `password ${rule}` })),
    );
    const [{ count }] = await service.db.query(`SELECT count(*)::int FROM users`);
    expect(count).toBe(0);
  });

  it.each([
    ['72 bytes', `Xk7!${'qZm9$wVbT'.repeat(8).slice(0, 68)}`],
    ['letters and digits of any script', 'Дунай-рассвет-४२'],
    ['a short word of the name', 'Xk7!raoqZm9$'],
  ])('takes %s', async (_what, password) => {
    await signIn(service, await register(service, { ...newPerson(), password }));
  });
});

describe('the time of a sign-up', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ PASSWORD_BCRYPT_COST: '10' });
  });
  afterAll(() => service.stop());

  it('does not tell a taken address from a free one', async () => {
    const taken = await register(service);
    expectSameTime(
      await measureInTurns(
        15,
        () => service.client().post(PATH, taken).expect(201),
        () => service.client().post(PATH, newPerson()).expect(201),
      ),
    );
  });
});
