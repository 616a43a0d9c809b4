import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { MOST_ACCOUNTS } from '../../src/trading-accounts/links/link-record';
import { eventsOf } from '../support/account-rows';
import { TestService } from '../support/app';
import { newHolder } from '../support/authority';
import { newKiteUser, startServiceWithKite } from '../support/kite';
import { newAdministrator, newSignedIn, newVerified, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { newKey, newServiceAccount, withKey } from '../support/services';
import {
  App,
  callsDuring,
  credentialsOf,
  expectExists,
  historyOf,
  LINK,
  linkBody,
  livingAt,
  rowOf,
  rowsOf,
  settled,
  Trader,
  UNKNOWN_TOKEN,
} from '../support/trading-life';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const NOTHING = { accounts: [], credentials: [], members: [] };

describe('POST /v1/trading-accounts/link', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let trader: Trader;
  let app: App;
  let user: string;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite());
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = await newVerified(service);
    trader = new Trader(service, person);
    app = kite.newApp();
    user = newKiteUser();
  });

  const withToken = (of = app, who = user) => ({ request_token: kite.login(of.apiKey, who) });
  const linked = async (of = app, who = user): Promise<string> =>
    (await trader.link(of, withToken(of, who)).expect(201)).body.trading_account_id;
  const stored = () => rowsOf(service, person.userId);

  describe('with a request token', () => {
    it('exchanges it once, and has an active account', async () => {
      const calls = await callsDuring(kite, async () => {
        const reply = await trader.link(app, { ...withToken(), nickname: 'Long term' }).expect(201);
        expect(reply.headers['cache-control']).toBe('no-store');
        expect(reply.headers['idempotency-replayed']).toBeUndefined();
        expect(reply.body).toEqual({
          trading_account_id: expect.any(String),
          broker: 'kite',
          broker_user_id: user,
          nickname: 'Long term',
          status: 'active',
          is_owner: true,
          permissions: ['view', 'trade', 'manage'],
          preferences: {},
          linked_at: expect.stringMatching(TIME),
          last_verified_at: reply.body.linked_at,
          session_expires_at: expect.stringMatching(/T00:30:00\.000Z$/),
          api_key_masked: expect.stringMatching(new RegExp(`${app.apiKey.slice(-4)}$`)),
          rotation_pending: false,
        });
        expect(reply.text).not.toContain(app.apiKey);
        expect(reply.text).not.toContain(app.apiSecret);
      });
      expect(calls).toEqual(['POST /session/token 200']);
    });

    it('keeps what lives at Kite as the credentials in force, and leaves nothing in wait', async () => {
      const accountId = await linked();
      const [session] = kite.sessions().filter(({ apiKey }) => apiKey === app.apiKey);
      expect(await credentialsOf(service, accountId)).toEqual({ ...app, accessToken: session!.accessToken });
      expect(await credentialsOf(service, accountId, 'staged')).toBeNull();
      expect(await rowOf(service, accountId)).toMatchObject({ turn_id: null, turn_ends_at: null });
      const { wrapped_data_key: key, ...row } = await rowOf(service, accountId);
      const text = JSON.stringify([row, key, (await stored()).credentials]);
      for (const secret of [app.apiKey, app.apiSecret, session!.accessToken])
        expect(text).not.toContain(secret);
    });

    it('records who linked what, and no secret', async () => {
      const accountId = await linked();
      const history = await historyOf(service, accountId);
      expect(history).toEqual([
        {
          type: 'trading_account.linked',
          subject: `user:${person.userId}`,
          actor: `user:${person.userId}`,
          data: { broker: 'kite', broker_user_id: user },
        },
      ]);
    });
  });

  it('with an access token asks whose session it is, exchanges nothing, and keeps the session', async () => {
    const other = new Trader(service, await newVerified(service));
    await other.link(app, withToken()).expect(201);
    const { accessToken } = kite.sessions().find(({ apiKey }) => apiKey === app.apiKey)!;
    const calls = await callsDuring(kite, async () => {
      const { body } = await trader.link(app, { access_token: accessToken }).expect(201);
      expect(body).toMatchObject({ status: 'active', broker_user_id: user });
      expect(await credentialsOf(service, body.trading_account_id)).toEqual({ ...app, accessToken });
    });
    expect(calls).toEqual(['GET /user/profile 200']);
    expect(livingAt(kite, app)).toHaveLength(1);
  });

  it.each([{}, { request_token: null, access_token: null, nickname: null }])(
    'without a token (%j) asks Kite nothing, and tells where to log in',
    async (more) => {
      const calls = await callsDuring(kite, async () => {
        const { body } = await trader.link(app, more).expect(201);
        expect(body).toMatchObject({
          status: 'pending_login',
          broker_user_id: null,
          linked_at: null,
          last_verified_at: null,
          session_expires_at: null,
          rotation_pending: false,
        });
        const url = new URL(body.login_url);
        expect(url.href.startsWith(kite.loginUrl)).toBe(true);
        expect(url.searchParams.get('api_key')).toBe(app.apiKey);
        expect(url.searchParams.get('redirect_params')).toBe(`trading_account_id=${body.trading_account_id}`);
        expect(url.href).not.toContain(app.apiSecret);
        expect(await historyOf(service, body.trading_account_id)).toMatchObject([
          { type: 'trading_account.credentials_updated', data: { credentials: 'staged' } },
        ]);
        expect(await rowOf(service, body.trading_account_id)).toMatchObject({ turn_id: null });
      });
      expect(calls).toEqual([]);
    },
  );

  describe('refuses, and leaves nothing behind', () => {
    it.each<[string, unknown]>([
      ['broker', undefined],
      ['broker', 'KITE'],
      ['broker', 'angel'],
      ['broker', ['kite']],
      ['broker', 'constructor'],
      ['api_key', undefined],
      ['api_key', null],
      ['api_key', ''],
      ['api_key', 'short'],
      ['api_key', 'x'.repeat(129)],
      ['api_key', 'with a blank in it'],
      ['api_key', 'withabreak\r\nX-Other: 1'],
      ['api_key', 'kiteapikey9f3k22\n'],
      ['api_key', 'kiteapikeyé9f3k'],
      ['api_key', 'kiteapikey\u00009f3k'],
      ['api_key', 12345678],
      ['api_key', ['kiteapikey9f3k22']],
      ['api_secret', undefined],
      ['api_secret', 'x'.repeat(129)],
      ['api_secret', { length: 16 }],
      ['api_secret', ' kiteapisecret012'],
      ['request_token', ''],
      ['request_token', 'tab\there0'],
      ['request_token', 'x'.repeat(513)],
      ['request_token', true],
      ['access_token', ''],
      ['access_token', 'x y z x y z'],
      ['nickname', ''],
      ['nickname', ' '],
      ['nickname', 'x'.repeat(101)],
      ['nickname', 'two\nlines'],
    ])('%s %j', async (field, value) => {
      const calls = await callsDuring(kite, () => expectInvalid(trader.link(app, { [field]: value }), field));
      expect(calls).toEqual([]);
      expect(await stored()).toEqual(NOTHING);
    });

    it('both tokens at once', async () => {
      const more = { ...withToken(), access_token: UNKNOWN_TOKEN };
      await expectInvalid(trader.link(app, more), 'access_token');
      expect(await stored()).toEqual(NOTHING);
    });

    const refused: [string, () => object, string][] = [
      ['a wrong secret', () => linkBody({ ...app, apiSecret: 'x'.repeat(32) }, withToken()), 'request_token'],
      ['a made-up token', () => linkBody(app, { request_token: UNKNOWN_TOKEN }), 'request_token'],
      ['the token of another app', () => linkBody(app, withToken(kite.newApp())), 'request_token'],
      ['an unknown app', () => linkBody({ ...app, apiKey: 'x'.repeat(16) }, withToken()), 'request_token'],
      ['a session that is none', () => linkBody(app, { access_token: UNKNOWN_TOKEN }), 'access_token'],
    ];
    it.each(refused)('%s', async (_what, body, field) => {
      const reply = await expectProblem(
        service.client().post(LINK, body(), person.accessToken),
        422,
        'broker_refused',
      );
      expect(reply.body.errors).toEqual([{ field, message: expect.stringMatching(`^${field}: `) }]);
      expect(await stored()).toEqual(NOTHING);
      expect(await eventsOf(service, person.userId, 'trading_account.linked')).toEqual([]);
    });

    it('a token that was used before, and can be linked with a new one then', async () => {
      const used = withToken();
      const other = new Trader(service, await newVerified(service));
      await other.link(app, used).expect(201);
      await expectProblem(trader.link(app, used), 422, 'broker_refused');
      expect(await stored()).toEqual(NOTHING);
      await linked();
    });
  });

  it('asks for a verified address in the database, not in the token', async () => {
    const stranger = await newSignedIn(service);
    const link = () => new Trader(service, stranger).link(app);
    await expectProblem(link(), 403, 'email_not_verified');
    const { email } = stranger.person;
    const verify = `UPDATE users SET status = $2, email_verified_at = $3 WHERE email = $1`;
    await service.db.query(verify, [email, 'active', new Date()]);
    await link().expect(201);
    await service.db.query(verify, [email, 'pending_verification', null]);
    await expectProblem(new Trader(service, stranger).link(kite.newApp()), 403, 'email_not_verified');
  });

  it('needs trading_account:link, and a session', async () => {
    const viewer = await newHolder(service, ['trading_account:view', 'trading_account:trade']);
    await expectProblem(new Trader(service, viewer).link(app), 403, 'permission_denied');
    await expectProblem(service.client().post(LINK, linkBody(app)), 401, 'not_authenticated');
    const robot = await newServiceAccount(service, 'trading_account:link');
    const { apiKey } = await newKey(service, await newAdministrator(service), robot, [
      'trading_account:link',
    ]);
    const call = service.client().post(LINK, linkBody(app));
    await expectProblem(withKey(call, apiKey), 403, 'session_required');
    expect(await rowsOf(service, robot)).toEqual(NOTHING);
  });

  it('stops at twenty living accounts, also when many are linked at once', async () => {
    await service.db.query(
      `INSERT INTO trading_accounts (id, user_id, broker, status, created_at, updated_at)
       SELECT gen_random_uuid(), $1, 'kite', 'pending_login', now(), now() FROM generate_series(1, $2::int)`,
      [person.userId, MOST_ACCOUNTS - 5],
    );
    const replies = await Promise.all(Array.from({ length: 20 }, () => trader.link(kite.newApp())));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(5);
    expect(new Set(replies.filter(({ status }) => status !== 201).map((reply) => reply.body.code))).toEqual(
      new Set(['too_many_trading_accounts']),
    );
    await expectProblem(trader.link(app, withToken()), 409, 'too_many_trading_accounts');
    expect(MOST_ACCOUNTS).toBe(20);
    await service.db.query(
      `UPDATE trading_accounts SET status = 'unlinked', unlinked_at = now(), wrapped_data_key = NULL
       WHERE id = (SELECT id FROM trading_accounts WHERE user_id = $1 LIMIT 1)`,
      [person.userId],
    );
    await linked();
  });

  describe('what is there already', () => {
    it('of ten links at once with one token makes one account, and tells the others which', async () => {
      const body = withToken();
      const replies = await Promise.all(Array.from({ length: 10 }, () => trader.link(app, body)));
      const made = replies.filter(({ status }) => status === 201);
      expect(made).toHaveLength(1);
      for (const reply of replies.filter(({ status }) => status !== 201))
        expect([reply.status, reply.body.code, reply.body.trading_account_id]).toEqual([
          409,
          'trading_account_exists',
          made[0]!.body.trading_account_id,
        ]);
      expect((await stored()).accounts).toHaveLength(1);
    });

    it('of ten links at once with a token each makes one account, whose session lives', async () => {
      const replies = await Promise.all(Array.from({ length: 10 }, () => trader.link(app, withToken())));
      expect(replies.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(9).fill(409)]);
      const { trading_account_id: accountId } = replies.find(({ status }) => status === 201)!.body;
      expect((await stored()).accounts).toHaveLength(1);
      await settled(service);
      expect(livingAt(kite, app)).toHaveLength(1);
      await trader.verify(accountId).expect(200, /"credentials_valid":true/);
    });

    it('is a link with the same app that waits for its login', async () => {
      const { body } = await trader.link(app).expect(201);
      await expectExists(trader.link(app), body.trading_account_id);
      await expectExists(trader.link(app, withToken()), body.trading_account_id);
      expect((await stored()).accounts).toHaveLength(1);
      await new Trader(service, await newVerified(service)).link(app).expect(201);
    });

    it('is the same Kite user, with another app too: its session stays, the new one is ended', async () => {
      const accountId = await linked();
      const before = await stored();
      const other = kite.newApp();
      const calls = await callsDuring(kite, async () => {
        await expectExists(trader.link(other, withToken(other)), accountId);
        await settled(service);
      });
      expect(calls).toEqual(['POST /session/token 200', 'DELETE /session/token 200']);
      expect(livingAt(kite, app)).toHaveLength(1);
      expect(livingAt(kite, other)).toEqual([]);
      expect(await stored()).toEqual(before);
    });

    it('shows as expired when the login has replaced its session: with the same app there is one', async () => {
      const accountId = await linked();
      await expectExists(trader.link(app, withToken()), accountId);
      await settled(service);
      expect(livingAt(kite, app)).toEqual([]);
      expect(await rowOf(service, accountId)).toMatchObject({ status: 'session_expired', turn_id: null });
      const [, ended] = await historyOf(service, accountId);
      expect(ended).toEqual({
        type: 'trading_account.session_expired',
        subject: `user:${person.userId}`,
        actor: 'system',
        data: { reason: 'replaced' },
      });
      expect((await stored()).accounts).toHaveLength(1);
      await trader.logIn(accountId, kite.login(app.apiKey, user)).expect(200, /"status":"active"/);
    });

    it('keeps its session when somebody links it once more with that very session', async () => {
      const accountId = await linked();
      const { accessToken } = kite.sessions().find(({ apiKey }) => apiKey === app.apiKey)!;
      await expectExists(trader.link(app, { access_token: accessToken }), accountId);
      expect(livingAt(kite, app)).toHaveLength(1);
      expect(await rowOf(service, accountId)).toMatchObject({ status: 'active' });
    });

    it('is no matter of others: they link the same Kite user', async () => {
      await linked();
      const other = new Trader(service, await newVerified(service));
      await other.link(app, withToken()).expect(201);
    });

    it('is not there any more after an unlink', async () => {
      const first = await linked();
      await trader.unlink(first).expect(200);
      expect(await linked()).not.toBe(first);
    });
  });
});
