import fc from 'fast-check';
import { mergePreferences, Preferences } from '../../src/trading-accounts/reading/preferences';
import { eventsOf } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { heldUp, newHolder } from '../support/authority';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { newKey, newServiceAccount, withKey } from '../support/services';
import { damage, shareAccount, storeAccount, StoredAccount } from '../support/trading-accounts';

const ACCOUNTS = '/v1/trading-accounts';
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const ALL = ['view', 'trade', 'manage'];

describe('Trading accounts', () => {
  let service: TestService;
  let owner: SignedIn;
  beforeAll(async () => {
    service = await startService({ FEATURE_SHARED_ACCOUNTS: 'true' });
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    owner = await newSignedIn(service);
  });

  const list = (query = '', by = owner) => service.client().get(ACCOUNTS + query, by.accessToken);
  const one = (id: string, by = owner) => service.client().get(`${ACCOUNTS}/${id}`, by.accessToken);
  const status = (id: string, by = owner) => service.client().get(`${ACCOUNTS}/${id}/status`, by.accessToken);
  const patch = (id: string, body: object, by = owner) =>
    service.client().patch(`${ACCOUNTS}/${id}`, body, by.accessToken);
  const updates = () => eventsOf(service, owner.userId, 'trading_account.updated');
  const unlink = ({ accountId }: StoredAccount) =>
    service.db.query(
      `UPDATE trading_accounts SET status = 'unlinked', unlinked_at = now(), wrapped_data_key = NULL WHERE id = $1`,
      [accountId],
    );

  describe('GET /v1/trading-accounts/{id}', () => {
    it('shows its owner an account, and nothing secret of it', async () => {
      const stored = await storeAccount(service, owner.userId, {
        nickname: 'Long term',
        preferences: { theme: 'dark' },
      });
      const { body, text } = await one(stored.accountId).expect(200);
      expect(body).toEqual({
        trading_account_id: stored.accountId,
        broker: 'kite',
        broker_user_id: stored.brokerUserId,
        nickname: 'Long term',
        status: 'active',
        is_owner: true,
        permissions: ALL,
        preferences: { theme: 'dark' },
        linked_at: expect.stringMatching(TIME),
        last_verified_at: expect.stringMatching(TIME),
        session_expires_at: expect.stringMatching(TIME),
        api_key_masked: `••••••••••••${stored.credentials.apiKey.slice(-4)}`,
        rotation_pending: false,
      });
      for (const secret of Object.values(stored.credentials)) expect(text).not.toContain(secret);
    });

    it.each(['pending_login', 'session_expired'] as const)(
      'tells the owner of one that is %s where to log in, and members not',
      async (state) => {
        const { accountId, credentials } = await storeAccount(service, owner.userId, { status: state });
        const { body } = await one(accountId).expect(200);
        expect(body.status).toBe(state);
        const url = new URL(body.login_url);
        expect(url.searchParams.get('api_key')).toBe(credentials.apiKey);
        expect(url.searchParams.get('redirect_params')).toContain(accountId);
        const member = await newSignedIn(service);
        await shareAccount(service, accountId, member.userId, ['view', 'manage']);
        const seen = await one(accountId, member).expect(200);
        expect(seen.body.is_owner).toBe(false);
        expect(seen.body).not.toHaveProperty('login_url');
      },
    );

    it('shows an account of which the API key cannot be read, without a login URL', async () => {
      const { accountId } = await storeAccount(service, owner.userId, { status: 'session_expired' });
      await damage(service, accountId, 'api_key');
      const { body } = await one(accountId).expect(200);
      expect(body).not.toHaveProperty('login_url');
      expect((await one(accountId).expect(200)).body.status).toBe('invalid');
    });

    it("hides others' accounts, unlinked ones, and texts that are no id", async () => {
      const other = await newSignedIn(service);
      const others = await storeAccount(service, other.userId);
      const unlinked = await storeAccount(service, owner.userId);
      await unlink(unlinked);
      for (const id of [others.accountId, unlinked.accountId, owner.userId, 'link', '1']) {
        await expectProblem(one(id), 404, 'not_found');
        await expectProblem(status(id), 404, 'not_found');
        await expectProblem(patch(id, { nickname: 'mine' }), 404, 'not_found');
      }
      expect((await one(others.accountId, other).expect(200)).body.nickname).toBeNull();
    });

    it('shows members what they may do, as long as they may', async () => {
      const { accountId } = await storeAccount(service, owner.userId);
      const member = await newSignedIn(service);
      await shareAccount(service, accountId, member.userId, ['view'], new Date(Date.now() + 3_600_000));
      const { body } = await one(accountId, member).expect(200);
      expect(body).toMatchObject({ is_owner: false, permissions: ['view'] });
      await service.db.query(
        `UPDATE trading_account_members SET expires_at = now() - interval '1 s' WHERE user_id = $1`,
        [member.userId],
      );
      await expectProblem(one(accountId, member), 404, 'not_found');
      await expectProblem(status(accountId, member), 404, 'not_found');
    });
  });

  describe('GET /v1/trading-accounts', () => {
    const ids = (body: { items: { trading_account_id: string }[] }) =>
      body.items.map((item) => item.trading_account_id);

    it('lists owned and shared accounts, newest first, and unlinked ones not', async () => {
      const other = await newSignedIn(service);
      const first = await storeAccount(service, owner.userId);
      const shared = await storeAccount(service, other.userId);
      await storeAccount(service, other.userId);
      const gone = await storeAccount(service, owner.userId);
      const last = await storeAccount(service, owner.userId, { status: 'pending_login' });
      await unlink(gone);
      await shareAccount(service, shared.accountId, owner.userId, ['view', 'trade']);
      const { body, headers } = await list().expect(200);
      expect(headers['cache-control']).toBe('no-store');
      expect(ids(body)).toEqual([last.accountId, shared.accountId, first.accountId]);
      expect(body).toMatchObject({ total: 3, limit: 50, offset: 0, has_more: false });
      expect(body.items[1]).toMatchObject({ is_owner: false, permissions: ['view', 'trade'] });
      for (const item of body.items) {
        expect(item).not.toHaveProperty('credentials');
        expect(item).not.toHaveProperty('login_url');
      }
    });

    it('pages, and tells the total on every page, the one after the last included', async () => {
      const stored = [];
      for (let i = 0; i < 3; i++) stored.unshift((await storeAccount(service, owner.userId)).accountId);
      const first = (await list('?limit=2').expect(200)).body;
      expect([ids(first), first.total, first.has_more]).toEqual([stored.slice(0, 2), 3, true]);
      const second = (await list('?limit=2&offset=2').expect(200)).body;
      expect([ids(second), second.total, second.has_more]).toEqual([stored.slice(2), 3, false]);
      const after = (await list('?limit=2&offset=4').expect(200)).body;
      expect([ids(after), after.total, after.has_more]).toEqual([[], 3, false]);
    });

    it('is empty for somebody without any', async () => {
      expect((await list().expect(200)).body).toEqual({
        items: [],
        total: 0,
        limit: 50,
        offset: 0,
        has_more: false,
      });
    });

    it.each(['1', '0', 'yes', 'TRUE', '', 'true&include_credentials=true'])(
      'takes true and false for include_credentials, and not %j',
      async (value) => {
        await expectInvalid(list(`?include_credentials=${value}`), 'include_credentials');
      },
    );

    it.each(['limit=0', 'limit=201', 'limit=1e1', 'offset=-1', 'offset=10001'])(
      'refuses %s',
      async (query) => {
        await expectInvalid(list(`?${query}`), query.split('=')[0]!);
      },
    );
  });

  describe('GET /v1/trading-accounts/{id}/status', () => {
    it('says of an active account that it can be used, until the session has passed its end', async () => {
      const end = new Date(Date.now() + 3_600_000);
      const { accountId } = await storeAccount(service, owner.userId, { sessionExpiresAt: end });
      const { body } = await status(accountId).expect(200);
      expect(body).toEqual({
        status: 'active',
        credentials_valid: true,
        last_verified_at: expect.stringMatching(TIME),
        session_expires_at: end.toISOString(),
      });
      await service.db.query(`UPDATE trading_accounts SET session_expires_at = now() WHERE id = $1`, [
        accountId,
      ]);
      expect((await status(accountId).expect(200)).body).toMatchObject({
        status: 'active',
        credentials_valid: false,
      });
    });

    it.each([
      ['pending_login', null],
      ['session_expired', expect.stringMatching(TIME)],
      ['invalid', expect.stringMatching(TIME)],
    ] as const)('says of one that is %s that it cannot', async (state, verified) => {
      const { accountId } = await storeAccount(service, owner.userId, { status: state });
      expect((await status(accountId).expect(200)).body).toMatchObject({
        status: state,
        credentials_valid: false,
        last_verified_at: verified,
      });
    });
  });

  describe('PATCH /v1/trading-accounts/{id}', () => {
    let account: StoredAccount;
    beforeEach(async () => {
      account = await storeAccount(service, owner.userId, { preferences: { a: 1, deep: { x: 1, y: 2 } } });
    });

    it('changes what is given, merges preferences, and records the names of the fields', async () => {
      const { body, headers } = await patch(account.accountId, {
        nickname: 'Überfluss 🪙',
        preferences: { a: null, deep: { x: null, z: [1, null] }, b: 'new' },
      }).expect(200);
      expect(body).toMatchObject({
        trading_account_id: account.accountId,
        nickname: 'Überfluss 🪙',
        preferences: { deep: { y: 2, z: [1, null] }, b: 'new' },
      });
      const read = await one(account.accountId).expect(200);
      expect(read.body).toEqual(body);
      expect([headers['cache-control'], read.headers['cache-control']]).toEqual(['no-store', 'no-store']);
      const [event] = await service.db.query(`SELECT * FROM events WHERE resource = $1`, [
        `trading_account:${account.accountId}`,
      ]);
      expect(event).toMatchObject({
        event_type: 'trading_account.updated',
        subject: `user:${owner.userId}`,
        actor: `user:${owner.userId}`,
        data: { fields: ['nickname', 'preferences'] },
        priority: 'normal',
      });
    });

    it('removes a nickname with null, and leaves out what is left out', async () => {
      await patch(account.accountId, { nickname: 'x' }).expect(200);
      const { body } = await patch(account.accountId, { nickname: null }).expect(200);
      expect([body.nickname, body.preferences]).toEqual([null, { a: 1, deep: { x: 1, y: 2 } }]);
      expect((await updates()).map(({ data }) => data)).toEqual([
        { fields: ['nickname'] },
        { fields: ['nickname'] },
      ]);
    });

    it('changes no credentials, owner, status or unknown field, and records nothing of them', async () => {
      const before = await service.db.query(`SELECT * FROM trading_credentials WHERE id = $1`, [
        account.setId,
      ]);
      const { body } = await patch(account.accountId, {
        api_key: 'other',
        api_secret: 'other',
        access_token: 'other',
        broker_user_id: 'ZZ9999',
        status: 'invalid',
        user_id: account.accountId,
        permissions: [],
        session_expires_at: '2036-01-01T00:00:00Z',
      }).expect(200);
      expect(body).toEqual((await one(account.accountId).expect(200)).body);
      expect(body).toMatchObject({ status: 'active', broker_user_id: account.brokerUserId });
      expect(
        await service.db.query(`SELECT * FROM trading_credentials WHERE id = $1`, [account.setId]),
      ).toEqual(before);
      expect(await updates()).toEqual([]);
    });

    it.each([
      ['nickname', ''],
      ['nickname', ' '],
      ['nickname', 'x'.repeat(101)],
      ['nickname', 'two\nlines'],
      ['nickname', 'nul\0'],
      ['nickname', 7],
      ['preferences', null],
      ['preferences', []],
      ['preferences', 'text'],
      ['preferences', { a: { b: { c: {} } } }],
      ['preferences', { _hidden: 1 }],
      ['preferences', { 'white space': 1 }],
      ['preferences', { a: 'nul\0' }],
      ['preferences', Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`k${i}`, i]))],
      ['preferences', { big: 'x'.repeat(5_000) }],
    ])('refuses %s that breaks its rules (%#)', async (field, value) => {
      await expectInvalid(patch(account.accountId, { [field]: value }), field);
      expect(await updates()).toEqual([]);
    });

    it('takes a nickname of 100 characters', async () => {
      const nickname = 'ü'.repeat(100);
      expect((await patch(account.accountId, { nickname }).expect(200)).body.nickname).toBe(nickname);
    });

    it('leaves it to the owner which mail they get, whatever else a member may change', async () => {
      const member = await newSignedIn(service);
      await shareAccount(service, account.accountId, member.userId, ['view', 'manage']);
      const wish = (value: unknown, by: SignedIn) =>
        patch(account.accountId, { nickname: 'Ours', preferences: { session_expired_mail: value } }, by);
      for (const value of [true, false, 'true', {}])
        await expectProblem(wish(value, member), 403, 'owner_required');
      await wish(null, member).expect(200, /"nickname":"Ours"/);
      await wish(true, owner).expect(200);
      for (const value of [null, false]) await expectProblem(wish(value, member), 403, 'owner_required');
      const { body } = await wish(true, member).expect(200);
      expect(body.preferences).toEqual({ a: 1, deep: { x: 1, y: 2 }, session_expired_mail: true });
      await patch(account.accountId, { preferences: { a: null } }, member).expect(200);
    });

    it('refuses preferences that outgrow their bounds change by change', async () => {
      const half = (letter: string) => ({
        preferences: Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`${letter}${i}`, i])),
      });
      await patch(account.accountId, { preferences: { a: null, deep: null } }).expect(200);
      await patch(account.accountId, half('k')).expect(200);
      await patch(account.accountId, half('l')).expect(200);
      await expectInvalid(patch(account.accountId, { preferences: { one: 'more' } }), 'preferences');
      await patch(account.accountId, { preferences: { k0: null, one: 'more' } }).expect(200);
    });

    it('keeps every change of many at once', async () => {
      await Promise.all(
        Array.from({ length: 16 }, (_, i) =>
          patch(account.accountId, { preferences: { [`key${i}`]: i } }).expect(200),
        ),
      );
      const { preferences } = (await one(account.accountId).expect(200)).body;
      expect(Object.keys(preferences)).toHaveLength(18);
      expect(await updates()).toHaveLength(16);
    });

    it('answers any JSON with what the preferences became, or refuses it', async () => {
      const key = fc.stringMatching(/^[A-Za-z][\w.:-]{0,5}$/);
      const json = fc.jsonValue({ maxDepth: 2, stringUnit: 'binary' });
      const values = fc.sample(fc.oneof(json, fc.dictionary(key, json, { maxKeys: 3 })), 60);
      let kept: Preferences = { a: 1, deep: { x: 1, y: 2 } };
      for (const preferences of values) {
        const { status: answer, body } = await patch(account.accountId, { preferences });
        if (answer === 200) {
          kept = mergePreferences(kept, preferences as Preferences);
          expect(body.preferences).toEqual(JSON.parse(JSON.stringify(kept)));
        } else expect([400, 422]).toContain(answer);
      }
      expect((await one(account.accountId).expect(200)).body.preferences).toEqual(
        JSON.parse(JSON.stringify(kept)),
      );
    });

    it('pollutes no prototype', async () => {
      const raw = '{"preferences": {"__proto__": {"polluted": true}}}';
      await expectProblem(
        patch(account.accountId, {}).set('Content-Type', 'application/json').send(raw),
        400,
        'malformed_request',
      );
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    });

    it('is for members who may manage, and records that it was them', async () => {
      const [manager, viewer] = [await newSignedIn(service), await newSignedIn(service)];
      await shareAccount(service, account.accountId, manager.userId, ['view', 'manage']);
      await shareAccount(service, account.accountId, viewer.userId, ['view', 'trade']);
      const { body } = await patch(account.accountId, { nickname: 'Ours' }, manager).expect(200);
      expect(body).toMatchObject({ nickname: 'Ours', is_owner: false, permissions: ['view', 'manage'] });
      expect(await updates()).toEqual([
        {
          type: 'trading_account.updated',
          actor: `user:${manager.userId}`,
          data: { fields: ['nickname'] },
        },
      ]);
      await expectProblem(
        patch(account.accountId, { nickname: 'Mine' }, viewer),
        403,
        'account_permission_denied',
      );
      await expectProblem(patch(account.accountId, {}, viewer), 403, 'account_permission_denied');
    });

    it.each([
      ['their membership', 404, 'not_found', `DELETE FROM trading_account_members WHERE user_id = $1`],
      [
        'the permission of the platform',
        403,
        'permission_denied',
        `DELETE FROM user_roles WHERE user_id = $1`,
      ],
    ] as const)('changes nothing for who lost %s while the call waited', async (_what, code, error, loss) => {
      const manager = await newSignedIn(service);
      await shareAccount(service, account.accountId, manager.userId, ['view', 'manage']);
      const reply = await heldUp(
        service,
        account.accountId,
        () => patch(account.accountId, { nickname: 'Mine' }, manager),
        () => service.db.query(loss, [manager.userId]),
        'trading_accounts',
      );
      expect([reply.status, reply.body.code]).toEqual([code, error]);
      expect((await one(account.accountId).expect(200)).body.nickname).toBeNull();
      expect(await updates()).toEqual([]);
    });
  });

  it('need the permissions, whoever owns them, and a session', async () => {
    const viewer = await newHolder(service, ['trading_account:view']);
    const nobody = await newHolder(service, ['user:read']);
    const { accountId } = await storeAccount(service, viewer.userId);
    const theirs = await storeAccount(service, nobody.userId);
    await one(accountId, viewer).expect(200);
    await expectProblem(patch(accountId, { nickname: 'x' }, viewer), 403, 'permission_denied');
    await expectProblem(list('', nobody), 403, 'permission_denied');
    await expectProblem(list('?include_credentials=true', nobody), 403, 'permission_denied');
    await expectProblem(one(theirs.accountId, nobody), 403, 'permission_denied');
    await expectProblem(status(theirs.accountId, nobody), 403, 'permission_denied');

    const admin = await newAdministrator(service);
    const account = await newServiceAccount(service, 'trading_account:view', 'trading_account:manage');
    const { apiKey } = await newKey(service, admin, account, [
      'trading_account:view',
      'trading_account:manage',
    ]);
    const client = service.client();
    for (const path of [ACCOUNTS, `${ACCOUNTS}/${accountId}`, `${ACCOUNTS}/${accountId}/status`])
      await expectProblem(withKey(client.get(path), apiKey), 403, 'session_required');
    await expectProblem(
      withKey(client.patch(`${ACCOUNTS}/${accountId}`, {}), apiKey),
      403,
      'session_required',
    );
  });

  it('show nothing of an owner who may not sign in', async () => {
    const member = await newSignedIn(service);
    const { accountId } = await storeAccount(service, owner.userId);
    await shareAccount(service, accountId, member.userId, ['view']);
    await service.db.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [owner.userId]);
    await expectProblem(one(accountId, member), 404, 'not_found');
    expect((await list('', member).expect(200)).body.total).toBe(0);
  });
});
