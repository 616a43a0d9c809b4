import { eventsOf, accountOf, deleteAccount, setStatus } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { newHolder } from '../support/authority';
import { askForReset, mailsSent } from '../support/mailed-links';
import {
  newAdministrator,
  newPerson,
  newSignedIn,
  PASSWORD,
  register,
  SignedIn,
  signIn,
  tokenIn,
} from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { newSupporter } from '../support/support-role';

const HOUR = 3_600_000;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UNKNOWN = '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';
const NO_IDS = ['1', '%00', 'me%20', 'users', '..%2fme', UNKNOWN.slice(1)];

describe('the administration of users', () => {
  let service: TestService;
  let admin: SignedIn;
  let supporter: SignedIn;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
    supporter = await newSupporter(service);
  });
  afterAll(() => service.stop());

  const create = (body: object, by = admin) => service.client().post('/v1/users', body, by.accessToken);
  const get = (userId: string, by = admin) => service.client().get(`/v1/users/${userId}`, by.accessToken);
  const patch = (userId: string, body: object, by = admin) =>
    service.client().patch(`/v1/users/${userId}`, body, by.accessToken);

  describe('POST /v1/users', () => {
    it('makes a trader whose mailed link sets the first password and proves the address', async () => {
      const { email } = newPerson();
      const { body } = await create({
        email: ` ${email.toUpperCase()} `,
        name: 'Meera Iyer',
        phone: '+919876543210',
        timezone: 'Asia/Kolkata',
        locale: 'en-IN',
      }).expect(201);
      expect(body).toEqual({
        user_id: expect.any(String),
        kind: 'person',
        email,
        email_verified: false,
        name: 'Meera Iyer',
        phone: '+919876543210',
        timezone: 'Asia/Kolkata',
        locale: 'en-IN',
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
        updated_at: body.created_at,
        last_login_at: null,
      });
      const mail = await service.mailTo(email);
      expect(mail.subject).toBe('An account was made for you');
      expect(mail.text).not.toContain('Meera');
      await expectProblem(
        service.client().post('/v1/auth/login', { email, password: PASSWORD }),
        401,
        'invalid_credentials',
      );
      const reset = { token: tokenIn(mail), new_password: PASSWORD };
      await service.client().post('/v1/auth/password/reset', reset).expect(200);
      const { userId } = await signIn(service, { email, password: PASSWORD, name: '' });
      expect(userId).toBe(body.user_id);
      const { body: account } = await get(userId).expect(200);
      expect(account).toMatchObject({ status: 'active', email_verified: true });
      await expectProblem(
        service.client().post('/v1/auth/password/reset', reset),
        400,
        'invalid_reset_token',
      );
    });

    it('says who made the account', async () => {
      const { body } = await create({ email: newPerson().email, name: 'Meera' }, supporter).expect(201);
      const actor = `user:${supporter.userId}`;
      expect(await eventsOf(service, body.user_id as string)).toEqual([
        { type: 'user.registered', actor, data: { method: 'administrator', kind: 'person' } },
        { type: 'role.assigned', actor, data: { role: 'trader' } },
      ]);
    });

    it('makes a service without address, password, role or mail', async () => {
      const { email } = newPerson();
      const { body } = await create({ kind: 'service', name: 'Order router', email }).expect(201);
      expect(body).toMatchObject({
        kind: 'service',
        email: null,
        email_verified: false,
        status: 'active',
        roles: [],
        permissions: [],
      });
      const userId = body.user_id as string;
      const [row] = await service.db.query(`SELECT email, password_hash FROM users WHERE id = $1`, [userId]);
      expect(row).toEqual({ email: null, password_hash: null });
      expect(await eventsOf(service, userId)).toEqual([
        {
          type: 'user.registered',
          actor: `user:${admin.userId}`,
          data: { method: 'administrator', kind: 'service' },
        },
      ]);
      await mailsSent(service);
      expect(await service.mails(email)).toEqual([]);
      // Any number of them.
      await create({ kind: 'service', name: 'Order router' }).expect(201);
    });

    it('refuses an address that is taken, and frees it with its account', async () => {
      const { person } = await newSignedIn(service);
      const again = { email: person.email.toUpperCase(), name: 'Somebody else' };
      await expectProblem(create(again), 409, 'email_taken');
      await deleteAccount(service, person.email);
      const { body } = await create(again).expect(201);
      expect(body.email).toBe(person.email);
    });

    it('makes one account of twenty calls at once with one address', async () => {
      const { email } = newPerson();
      const replies = await Promise.all(
        Array.from({ length: 20 }, () => create({ email, name: 'Meera' }).then(({ status }) => status)),
      );
      expect(replies.sort()).toEqual([201, ...Array<number>(19).fill(409)]);
      await mailsSent(service);
      expect(await service.mails(email)).toHaveLength(1);
    });

    it.each(['person', 'service'])(
      'gives nothing that the body asks for beside the profile: a %s',
      async (kind) => {
        const { email } = newPerson();
        const { body } = await create({
          kind,
          email,
          name: 'Mallory',
          roles: ['admin'],
          role: 'admin',
          permissions: ['user:write'],
          status: 'active',
          password: PASSWORD,
          password_hash: 'x',
          email_verified: true,
          email_verified_at: '2026-01-01T00:00:00Z',
          mfa_enabled: true,
          user_id: UNKNOWN,
          id: UNKNOWN,
        }).expect(201);
        expect(body.user_id).not.toBe(UNKNOWN);
        expect(body).toMatchObject({
          roles: kind === 'person' ? ['trader'] : [],
          status: kind === 'person' ? 'pending_verification' : 'active',
          email_verified: false,
          mfa_enabled: false,
        });
        expect(body.permissions).not.toContain('user:write');
        await expectProblem(
          service.client().post('/v1/auth/login', { email, password: PASSWORD }),
          401,
          'invalid_credentials',
        );
      },
    );

    it.each<[object, string]>([
      [{ name: 'x' }, 'email'],
      [{ kind: 'person', name: 'x' }, 'email'],
      [{ email: 'no address', name: 'x' }, 'email'],
      [{ email: null, name: 'x' }, 'email'],
      [{ email: 'a@example.org' }, 'name'],
      [{ email: 'a@example.org', name: ' ' }, 'name'],
      [{ kind: 'service' }, 'name'],
      [{ kind: 'robot', email: 'a@example.org', name: 'x' }, 'kind'],
      [{ kind: null, email: 'a@example.org', name: 'x' }, 'kind'],
      [{ kind: ['service'], email: 'a@example.org', name: 'x' }, 'kind'],
      [{ email: 'a@example.org', name: 'x', phone: '1' }, 'phone'],
      [{ email: 'a@example.org', name: 'x', timezone: 'Mars' }, 'timezone'],
      [{ email: 'a@example.org', name: 'x', locale: 'en_US' }, 'locale'],
    ])('refuses %j', (body, field) => expectInvalid(create(body), field));
  });

  describe('GET /v1/users/{user_id}', () => {
    it('shows administrators what the owner sees, and more', async () => {
      const somebody = await newSignedIn(service);
      const { body: mine } = await service.client().get('/v1/users/me', somebody.accessToken).expect(200);
      const { body } = await get(somebody.userId, supporter).expect(200);
      expect(body).toEqual({ ...mine, kind: 'person', updated_at: expect.stringMatching(TIME) });
      expect((await get(somebody.userId.toUpperCase()).expect(200)).body).toEqual(body);
    });
  });

  describe('PATCH /v1/users/{user_id}', () => {
    const change = {
      name: 'Asha R.',
      phone: '+14155550123',
      timezone: 'Europe/Berlin',
      locale: 'de',
      avatar_url: 'https://cdn.example.com/a.png',
    };

    it('changes the profile, and says who did', async () => {
      const { userId } = await newSignedIn(service);
      const { body: before } = await get(userId).expect(200);
      const { body } = await patch(userId, change, supporter).expect(200);
      expect(body).toEqual({ ...before, ...change, updated_at: expect.stringMatching(TIME) });
      expect((await get(userId)).body).toEqual(body);
      expect(await eventsOf(service, userId, 'user.updated')).toEqual([
        { type: 'user.updated', actor: `user:${supporter.userId}`, data: { fields: expect.any(Array) } },
      ]);
      const { body: cleared } = await patch(userId, { phone: null, avatar_url: null }).expect(200);
      expect(cleared).toEqual({
        ...body,
        phone: null,
        avatar_url: null,
        updated_at: expect.stringMatching(TIME),
      });
    });

    it('changes nothing, and says nothing, where nothing is given or nothing may be', async () => {
      const { userId, person } = await newSignedIn(service);
      const before = await accountOf(service, person.email);
      await patch(userId, {}).expect(200);
      await patch(userId, {
        email: 'other@example.org',
        status: 'suspended',
        kind: 'service',
        roles: ['admin'],
        permissions: ['user:write'],
        email_verified: true,
        password: PASSWORD,
        passwordHash: 'x',
        deletedAt: '2026-01-01T00:00:00Z',
        avatarUrl: 'http://x',
      }).expect(200);
      expect(await accountOf(service, person.email)).toEqual(before);
      expect(await eventsOf(service, userId, 'user.updated')).toEqual([]);
    });

    it.each<[string, unknown]>([
      ['name', ''],
      ['phone', '98765'],
      ['timezone', null],
      ['locale', 'en_US'],
      ['avatar_url', 'javascript:alert(1)'],
    ])('refuses %s as %j', async (field, value) => {
      await expectInvalid(patch(admin.userId, { [field]: value }), field);
    });

    it('changes a service, and the administrator too', async () => {
      const { body: made } = await create({ kind: 'service', name: 'Router' }).expect(201);
      const { body } = await patch(made.user_id as string, { name: 'Order router' }).expect(200);
      expect(body.name).toBe('Order router');
      await patch(admin.userId, { name: 'Boss' }).expect(200);
    });
  });

  it('lets a supporter change nobody who may do more, suspended or not', async () => {
    const boss = await newAdministrator(service);
    const auditor = await newSignedIn(service);
    await service.db.query(
      `INSERT INTO user_permissions (id, user_id, permission, granted_by, granted_at)
       VALUES (gen_random_uuid(), $1, 'audit:read', 'system', now())`,
      [auditor.userId],
    );
    for (const { userId, person } of [boss, auditor]) {
      const before = await accountOf(service, person.email);
      await expectProblem(patch(userId, { name: 'x' }, supporter), 403, 'escalation_refused');
      expect(await accountOf(service, person.email)).toEqual(before);
      await setStatus(service, person.email, 'suspended');
      await expectProblem(patch(userId, { name: 'x' }, supporter), 403, 'escalation_refused');
      await get(userId, supporter).expect(200);
    }
    await patch((await newSupporter(service)).userId, { name: 'Colleague' }, supporter).expect(200);
  });

  it('answers 404 for an unknown account, a deleted one and what is no id', async () => {
    const gone = await newSignedIn(service);
    await deleteAccount(service, gone.person.email);
    for (const id of [gone.userId, UNKNOWN, ...NO_IDS]) {
      await expectProblem(get(id), 404, 'not_found');
      await expectProblem(patch(id, { name: 'x' }), 404, 'not_found');
      await expectProblem(patch(id, { name: 'x' }, supporter), 404, 'not_found');
    }
  });

  it('is refused to others, whatever they ask about', async () => {
    const trader = await newSignedIn(service);
    const reader = await newAdministrator(service, 'viewer');
    await service.db.query(
      `INSERT INTO user_permissions (id, user_id, permission, granted_by, granted_at)
       VALUES (gen_random_uuid(), $1, 'user:read', 'system', now())`,
      [reader.userId],
    );
    for (const id of [trader.userId, admin.userId, UNKNOWN, 'no-id']) {
      await expectProblem(get(id, trader), 403, 'permission_denied');
      await expectProblem(patch(id, { name: 'x' }, trader), 403, 'permission_denied');
      await expectProblem(patch(id, { name: 'x' }, reader), 403, 'permission_denied');
      await expectProblem(service.client().get(`/v1/users/${id}`), 401, 'not_authenticated');
    }
    await expectProblem(create({ email: newPerson().email, name: 'x' }, trader), 403, 'permission_denied');
    await expectProblem(create({ email: newPerson().email, name: 'x' }, reader), 403, 'permission_denied');
    await get(trader.userId, reader).expect(200);
    await expectProblem(service.client().post('/v1/users', { name: 'x' }), 401, 'not_authenticated');
  });

  it('shows no account to whoever may change accounts, but not read them', async () => {
    const writer = await newHolder(service, ['user:write']);
    const { userId, person } = await newSignedIn(service);
    const path = `/v1/users/${userId}`;
    const before = await accountOf(service, person.email);
    for (const call of [
      patch(userId, {}, writer),
      patch(userId, { name: 'x' }, writer),
      create({ email: newPerson().email, name: 'x' }, writer),
      create({ kind: 'service', name: 'x' }, writer),
      service.client().post(`${path}/suspend`, {}, writer.accessToken),
      service.client().post(`${path}/reactivate`, {}, writer.accessToken),
      service.client().post(`${path}/mfa/reset`, {}, writer.accessToken),
      get(userId, writer),
      service.client().get('/v1/users', writer.accessToken),
      service.client().get(`${path}/sessions`, writer.accessToken),
    ]) {
      await expectProblem(call, 403, 'permission_denied');
    }
    expect(await accountOf(service, person.email)).toEqual(before);
    await service.db.query(`DELETE FROM user_roles WHERE user_id = $1`, [userId]);
    // What answers without the account.
    await service.client().delete(`${path}/sessions`, writer.accessToken).expect(200);
    await service.client().delete(path, writer.accessToken).expect(200);
  });

  it('is over with the permission', async () => {
    const { userId, accessToken } = await newSupporter(service);
    const ask = () => service.client().get(`/v1/users/${admin.userId}`, accessToken);
    await ask().expect(200);
    await service.db.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [userId]);
    // As the change itself would do, which is not what this is about.
    await service.redis.del(`authz:{${userId}}`);
    await expectProblem(ask(), 403, 'permission_denied');
  });
});

describe('an invitation', () => {
  it('is good for a day, and is followed by one that can be asked for', async () => {
    const service = await startService();
    const invite = async () => {
      const admin = await newAdministrator(service);
      const { email } = newPerson();
      await service.client().post('/v1/users', { email, name: 'Meera' }, admin.accessToken).expect(201);
      return { email, token: tokenIn(await service.mailTo(email, /made for you/)) };
    };
    const accept = (token: string) =>
      service.client().post('/v1/auth/password/reset', { token, new_password: PASSWORD });
    const [early, late] = [await invite(), await invite()];
    service.advance(23 * HOUR);
    await accept(early.token).expect(200);
    await signIn(service, { ...early, password: PASSWORD, name: '' });
    service.advance(HOUR);
    await expectProblem(accept(late.token), 400, 'invalid_reset_token');
    await accept(await askForReset(service, late.email)).expect(200);
    await signIn(service, { ...late, password: PASSWORD, name: '' });
    await service.stop();
  });
});

describe('sign-up', () => {
  it('gives nothing that the body asks for beside the profile', async () => {
    const service = await startService();
    const person = await register(service, {
      ...newPerson(),
      ...{
        roles: ['admin'],
        permissions: ['user:write'],
        status: 'active',
        kind: 'service',
        email_verified: true,
      },
    });
    const { accessToken, userId } = await signIn(service, person);
    const { body } = await service.client().get('/v1/users/me', accessToken).expect(200);
    expect(body).toMatchObject({ roles: ['trader'], status: 'pending_verification', email_verified: false });
    const [row] = await service.db.query(`SELECT kind FROM users WHERE id = $1`, [userId]);
    expect(row).toEqual({ kind: 'person' });
    await service.stop();
  });
});
