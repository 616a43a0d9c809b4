import { startService, TestService } from '../support/app';
import { accountOf, deleteAccount, eventsOf } from '../support/account-rows';
import { waitingForLocks } from '../support/authority';
import { newSignedIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const ME = '/v1/users/me';
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('the own profile', () => {
  let service: TestService;
  let me: SignedIn;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    me = await newSignedIn(service);
  });

  const patch = (body: object) => service.client().patch(ME, body, me.accessToken);

  it('shows everything about its owner', async () => {
    const { body } = await service.client().get(ME, me.accessToken).expect(200);
    expect(body).toEqual({
      user_id: me.userId,
      email: me.person.email,
      email_verified: false,
      name: 'Asha Rao',
      phone: null,
      timezone: 'UTC',
      locale: 'en-US',
      avatar_url: null,
      status: 'pending_verification',
      mfa_enabled: false,
      oauth_providers: [],
      roles: ['trader'],
      permissions: [
        'trading_account:link',
        'trading_account:manage',
        'trading_account:trade',
        'trading_account:view',
      ],
      trading_accounts: [],
      created_at: expect.stringMatching(TIME),
      last_login_at: expect.stringMatching(TIME),
    });
  });

  it.each([
    { name: 'Āśā Rāo 🌅' },
    { phone: '+919876543210' },
    { timezone: 'Asia/Kolkata' },
    { timezone: 'America/Argentina/Buenos_Aires' },
    { locale: 'hi-IN' },
    { locale: 'zh-Hant-TW' },
    { avatar_url: 'https://cdn.example.com/a/asha.png?size=64' },
    { name: 'Asha R.', phone: '+14155550123', timezone: 'Europe/Berlin', locale: 'de', avatar_url: null },
  ])('changes what is given and nothing else: %j', async (change) => {
    const before = await service.client().get(ME, me.accessToken).expect(200);
    const { body } = await patch(change).expect(200);
    expect(body).toEqual({ ...before.body, ...change });
    const after = await service.client().get(ME, me.accessToken).expect(200);
    expect(after.body).toEqual(body);
    const [event, ...more] = await eventsOf(service, me.userId, 'user.updated');
    expect(more).toEqual([]);
    expect(event!.actor).toBe(`user:${me.userId}`);
    expect([...(event!.data.fields as string[])].sort()).toEqual(Object.keys(change).sort());
  });

  it('clears phone and avatar with null', async () => {
    await patch({ phone: '+919876543210', avatar_url: 'https://cdn.example.com/a.png' }).expect(200);
    const { body } = await patch({ phone: null, avatar_url: null }).expect(200);
    expect(body).toMatchObject({ phone: null, avatar_url: null });
  });

  it.each<[string, unknown]>([
    ['name', ''],
    ['name', ' \t'],
    ['name', null],
    ['name', 'x'.repeat(256)],
    ['name', 'a\0b'],
    ['name', '\ud800'],
    ['name', { first: 'Asha' }],
    ['phone', ''],
    ['phone', '9876543210'],
    ['phone', '+0123456789'],
    ['phone', '+1234567890123456'],
    ['phone', '+91 98765 43210'],
    ['phone', 919876543210],
    ['timezone', null],
    ['timezone', ''],
    ['timezone', 'Mars/Olympus'],
    ['timezone', '+05:30'],
    ['timezone', ['UTC']],
    ['locale', null],
    ['locale', ''],
    ['locale', 'not a locale'],
    ['locale', 'en_US'],
    ['locale', 7],
    ['avatar_url', ''],
    ['avatar_url', 'http://cdn.example.com/a.png'],
    ['avatar_url', 'javascript:alert(1)'],
    ['avatar_url', 'data:image/png;base64,AAAA'],
    ['avatar_url', '//cdn.example.com/a.png'],
    ['avatar_url', 'https://'],
    ['avatar_url', 'https://cdn.example.com/a b.png'],
    ['avatar_url', `https://cdn.example.com/${'a'.repeat(2048)}`],
    ['avatar_url', ['https://cdn.example.com/a.png']],
  ])('refuses %s as %j, and stores nothing', async (field, value) => {
    const before = await accountOf(service, me.person.email);
    await expectInvalid(patch({ phone: '+919876543210', locale: 'de', [field]: value }), field);
    expect(await accountOf(service, me.person.email)).toEqual(before);
  });

  it('cannot change what is not the owner’s to change', async () => {
    const before = await accountOf(service, me.person.email);
    const { body } = await patch({
      email: 'other@example.org',
      email_verified: true,
      emailVerifiedAt: '2026-01-01T00:00:00Z',
      status: 'active',
      kind: 'service',
      roles: ['admin'],
      permissions: ['user:write'],
      mfa_enabled: true,
      user_id: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
      id: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
      passwordHash: 'x',
      password: 'x',
      avatarUrl: 'http://x',
      sessionEpoch: 7,
      deletedAt: null,
    }).expect(200);
    expect(body.roles).toEqual(['trader']);
    expect(await accountOf(service, me.person.email)).toEqual(before);
    expect(await eventsOf(service, me.userId, 'user.updated')).toEqual([]);
  });

  it('stays as it is where the session ended while the change waited', async () => {
    const runner = service.db.createQueryRunner();
    try {
      await runner.startTransaction();
      await runner.query(`UPDATE users SET session_epoch = session_epoch + 1 WHERE id = $1`, [me.userId]);
      const reply = patch({ name: 'Somebody Else' }).then((it) => it);
      await waitingForLocks(service, 1);
      await runner.commitTransaction();
      const { status, body } = await reply;
      expect([status, body.code]).toEqual([401, 'invalid_access_token']);
    } finally {
      await runner.release();
    }
    expect(await accountOf(service, me.person.email)).toMatchObject({ name: me.person.name });
    expect(await eventsOf(service, me.userId, 'user.updated')).toEqual([]);
  });

  it('is nobody else’s, and gone with the account', async () => {
    await expectProblem(service.client().get(ME), 401, 'not_authenticated');
    await expectProblem(service.client().patch(ME, { name: 'x' }), 401, 'not_authenticated');
    await deleteAccount(service, me.person.email);
    await expectProblem(service.client().get(ME, me.accessToken), 401, 'not_authenticated');
    await expectProblem(patch({ name: 'x' }), 401, 'not_authenticated');
    await expectProblem(
      service.client().post('/v1/auth/refresh', { refresh_token: me.refreshToken }),
      401,
      'invalid_refresh_token',
    );
  });
});

describe('GET /v1/users/profile/{user_id}', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const profileOf = (userId: string, token?: string) =>
    service.client().get(`/v1/users/profile/${userId}`, token);

  it('shows a little about anybody to whoever is signed in', async () => {
    const [me, other] = [await newSignedIn(service), await newSignedIn(service)];
    const { body } = await profileOf(other.userId, me.accessToken).expect(200);
    expect(body).toEqual({
      user_id: other.userId,
      name: 'Asha Rao',
      avatar_url: null,
      created_at: expect.stringMatching(TIME),
    });
    await expectProblem(profileOf(other.userId), 401, 'not_authenticated');
  });

  it('answers 404 for an unknown account, a deleted one and what is no id', async () => {
    const [me, gone] = [await newSignedIn(service), await newSignedIn(service)];
    await deleteAccount(service, gone.person.email);
    for (const id of [gone.userId, '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', 'me', '1', '%00']) {
      await expectProblem(profileOf(id, me.accessToken), 404, 'not_found');
    }
  });

  it('frees the address of a deleted account for a new one', async () => {
    const gone = await newSignedIn(service);
    await deleteAccount(service, gone.person.email);
    const client = service.client();
    const { email, password } = gone.person;
    await expectProblem(client.post('/v1/auth/login', { email, password }), 401, 'invalid_credentials');
    await client.post('/v1/auth/register', gone.person).expect(201);
    const { body } = await client.post('/v1/auth/login', { email, password }).expect(200);
    expect(body.user.user_id).not.toBe(gone.userId);
  });
});
