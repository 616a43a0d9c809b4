import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { newId } from '../../src/common/ids';
import { TestService } from '../support/app';
import { newHolder } from '../support/authority';
import { LinkedAccount, linkAccount, newKiteUser, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import {
  App,
  callsDuring,
  credentialsOf,
  expectExists,
  historyOf,
  livingAt,
  rowOf,
  rowsOf,
  settled,
  share,
  Trader,
  typesOf,
  UNKNOWN_TOKEN,
} from '../support/trading-life';

describe('POST /v1/trading-accounts/{id}/rotate-credentials', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let trader: Trader;
  let account: LinkedAccount;
  let id: string;
  let next: App;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite());
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = await newVerified(service);
    trader = new Trader(service, person);
    account = await linkAccount(service, kite, person);
    id = account.accountId;
    next = kite.newApp();
  });

  const token = (app = next, user = account.brokerUserId) => kite.login(app.apiKey, user);
  const inForce = () => credentialsOf(service, id);
  const waiting = () => credentialsOf(service, id, 'staged');
  const unchanged = async (call: () => Promise<unknown>): Promise<void> => {
    const before = await rowsOf(service, person.userId);
    const events = await historyOf(service, id);
    await call();
    expect(await rowsOf(service, person.userId)).toEqual(before);
    expect(await historyOf(service, id)).toEqual(events);
  };

  describe('without a token', () => {
    it('has the new credentials wait, and tells where to log in; the old ones stay in force', async () => {
      const calls = await callsDuring(kite, async () => {
        const { body, headers, text } = await trader.rotate(id, next).expect(200);
        expect(headers['cache-control']).toBe('no-store');
        expect(body).toMatchObject({ status: 'active', rotation_pending: true });
        expect(body.api_key_masked).toMatch(new RegExp(`${account.app.apiKey.slice(-4)}$`));
        expect(new URL(body.rotation_login_url).searchParams.get('api_key')).toBe(next.apiKey);
        expect(body).not.toHaveProperty('login_url');
        expect(text).not.toContain(next.apiSecret);
      });
      expect(calls).toEqual([]);
      expect(await inForce()).toEqual({ ...account.app, accessToken: account.accessToken });
      expect(await waiting()).toEqual({ ...next, accessToken: null });
      expect(await typesOf(service, id)).toEqual([
        'trading_account.linked',
        'trading_account.credentials_updated',
      ]);
      await trader.verify(id).expect(200, /"credentials_valid":true/);
    });

    it('replaces what has waited before', async () => {
      await trader.rotate(id, next).expect(200);
      const later = kite.newApp();
      await trader.rotate(id, later).expect(200);
      expect(await waiting()).toEqual({ ...later, accessToken: null });
      await expectProblem(trader.logIn(id, token()), 422, 'broker_refused');
      await trader.logIn(id, token(later)).expect(200);
      expect(await inForce()).toMatchObject(later);
    });

    it('gives other credentials to a link that waits for its login', async () => {
      const wrong = kite.newApp();
      const { body: link } = await trader.link(wrong).expect(201);
      const { body } = await trader.rotate(link.trading_account_id, next).expect(200);
      expect(body).toMatchObject({ status: 'pending_login', rotation_pending: false });
      expect(body.login_url).toContain(next.apiKey);
      // It is known by the new API key now, and the old one is free.
      await expectExists(trader.link(next), link.trading_account_id);
      const { body: second } = await trader.link(wrong).expect(201);
      await expectExists(trader.rotate(second.trading_account_id, next), link.trading_account_id);
      const user = newKiteUser();
      await trader.logIn(link.trading_account_id, token(next, user)).expect(200, /"status":"active"/);
      expect(await typesOf(service, link.trading_account_id)).toEqual([
        'trading_account.credentials_updated',
        'trading_account.credentials_updated',
        'trading_account.linked',
      ]);
    });
  });

  describe('with a session that is open already', () => {
    const openSession = async (user = account.brokerUserId): Promise<string> => {
      const other = new Trader(service, await newVerified(service));
      await other.link(next, { request_token: token(next, user) }).expect(201);
      return kite.sessions().find(({ apiKey, alive }) => alive && apiKey === next.apiKey)!.accessToken;
    };

    it('compares whose it is, and has the new credentials wait: it proves nothing of the secret', async () => {
      const accessToken = await openSession();
      const typo = { ...next, apiSecret: 'typo'.repeat(8) };
      const calls = await callsDuring(kite, async () => {
        const { body } = await trader.rotate(id, typo, { access_token: accessToken }).expect(200);
        expect(body).toMatchObject({ status: 'active', rotation_pending: true });
        expect(body.rotation_login_url).toContain(next.apiKey);
      });
      expect(calls).toEqual(['GET /user/profile 200']);
      expect(await inForce()).toEqual({ ...account.app, accessToken: account.accessToken });
      expect(await waiting()).toEqual({ ...typo, accessToken: null });
      await expectProblem(trader.logIn(id, token(typo)), 422, 'broker_refused');
      await trader.logIn(id, token(account.app), { use: 'current' }).expect(200, /"status":"active"/);
    });

    it('leaves the secret in force that a login has proved, also where the app is the same', async () => {
      const typo = { ...account.app, apiSecret: 'typo'.repeat(8) };
      await trader.rotate(id, typo, { access_token: account.accessToken }).expect(200);
      expect(await inForce()).toEqual({ ...account.app, accessToken: account.accessToken });
      expect(livingAt(kite, account.app)).toHaveLength(1);
    });

    it('of another Kite user changes nothing', async () => {
      const accessToken = await openSession(newKiteUser());
      await unchanged(() =>
        expectProblem(trader.rotate(id, next, { access_token: accessToken }), 409, 'broker_user_mismatch'),
      );
    });

    it('gives other credentials to a link that waits for its login, and does not finish it', async () => {
      const { body: link } = await trader.link(kite.newApp()).expect(201);
      const accessToken = await openSession(newKiteUser());
      const reply = await trader.rotate(link.trading_account_id, next, { access_token: accessToken });
      expect([reply.status, reply.body.status, reply.body.rotation_pending]).toEqual([
        200,
        'pending_login',
        false,
      ]);
      expect(reply.body.login_url).toContain(next.apiKey);
    });
  });

  describe('with a request token', () => {
    it('proves the new credentials at once, puts them in force, and then ends the old session', async () => {
      const calls = await callsDuring(kite, async () => {
        const { body } = await trader.rotate(id, next, { request_token: token() }).expect(200);
        expect(body).toMatchObject({ status: 'active', rotation_pending: false });
        expect(body.api_key_masked).toMatch(new RegExp(`${next.apiKey.slice(-4)}$`));
        expect(body).not.toHaveProperty('login_url');
        expect(body).not.toHaveProperty('rotation_login_url');
        await settled(service);
      });
      expect(calls).toEqual(['POST /session/token 200', 'DELETE /session/token 200']);
      expect(livingAt(kite, account.app, next)).toEqual([`${next.apiKey}/${account.brokerUserId}`]);
      expect(await inForce()).toMatchObject(next);
      expect(await waiting()).toBeNull();
      expect((await historyOf(service, id)).slice(1)).toEqual([
        {
          type: 'trading_account.credentials_updated',
          subject: `user:${person.userId}`,
          actor: `user:${person.userId}`,
          data: { credentials: 'rotated' },
        },
      ]);
    });

    it('leaves the new session alone where the app is the same', async () => {
      const calls = await callsDuring(kite, () =>
        trader.rotate(id, account.app, { request_token: token(account.app) }).expect(200),
      );
      expect(calls).toEqual(['POST /session/token 200']);
      const { accessToken } = (await inForce())!;
      expect(kite.sessions().find((session) => session.accessToken === accessToken)?.alive).toBe(true);
    });

    it('replaces what has waited before', async () => {
      await trader.rotate(id, kite.newApp()).expect(200);
      await trader.rotate(id, next, { request_token: token() }).expect(200);
      expect(await waiting()).toBeNull();
      expect(await inForce()).toMatchObject(next);
    });

    it('finishes a link that waited', async () => {
      const { body } = await trader.link(kite.newApp()).expect(201);
      const user = newKiteUser();
      const reply = await trader
        .rotate(body.trading_account_id, next, { request_token: token(next, user) })
        .expect(200);
      expect(reply.body).toMatchObject({ status: 'active', broker_user_id: user, rotation_pending: false });
      expect(await typesOf(service, body.trading_account_id)).toEqual([
        'trading_account.credentials_updated',
        'trading_account.linked',
      ]);
    });

    it('finishes no link for a Kite user whom the same person has linked', async () => {
      const { body } = await trader.link(kite.newApp()).expect(201);
      await unchanged(() =>
        expectExists(trader.rotate(body.trading_account_id, next, { request_token: token() }), id),
      );
      await settled(service);
      expect(livingAt(kite, next)).toEqual([]);
    });
  });

  describe('an error', () => {
    let staged: App;
    beforeEach(async () => {
      staged = kite.newApp();
      await trader.rotate(id, staged).expect(200);
    });
    /** What waited before goes on waiting: new credentials are stored only when they are proved. */
    const refused = async (call: () => Promise<unknown>): Promise<void> => {
      await unchanged(call);
      await settled(service);
      expect(await inForce()).toEqual({ ...account.app, accessToken: account.accessToken });
      expect(await waiting()).toMatchObject(staged);
      expect(livingAt(kite, account.app)).toHaveLength(1);
      expect(livingAt(kite, next)).toEqual([]);
    };

    it('such as a wrong secret changes nothing', async () => {
      const wrong = { ...next, apiSecret: 'x'.repeat(32) };
      await refused(() =>
        expectProblem(trader.rotate(id, wrong, { request_token: token() }), 422, 'broker_refused'),
      );
    });

    it('such as a made-up token changes nothing', async () => {
      await refused(async () => {
        for (const field of ['request_token', 'access_token']) {
          const call = trader.rotate(id, next, { [field]: UNKNOWN_TOKEN });
          const { body } = await expectProblem(call, 422, 'broker_refused');
          expect(body.errors[0].field).toBe(field);
        }
      });
    });

    it('such as another Kite user changes nothing', async () => {
      await refused(() =>
        expectProblem(
          trader.rotate(id, next, { request_token: token(next, newKiteUser()) }),
          409,
          'broker_user_mismatch',
        ),
      );
    });

    it.each<[string, unknown]>([
      ['api_key', undefined],
      ['api_key', 'with a blank'],
      ['api_secret', ''],
      ['api_secret', 'x'.repeat(129)],
      ['request_token', 'new\nline'],
      ['access_token', 7],
    ])('such as %s %j changes nothing', async (field, value) => {
      await refused(() => expectInvalid(trader.rotate(id, next, { [field]: value }), field));
    });

    it('such as both tokens at once changes nothing', async () => {
      const more = { request_token: UNKNOWN_TOKEN, access_token: UNKNOWN_TOKEN };
      await refused(() => expectInvalid(trader.rotate(id, next, more), 'access_token'));
    });

    it('such as not being the owner changes nothing', async () => {
      const member = await newVerified(service);
      await share(service, id, member.userId, ['view', 'trade', 'manage']);
      const holder = await newHolder(service, ['trading_account:view']);
      const stranger = await newVerified(service);
      await refused(async () => {
        const rotate = (by: SignedIn) => new Trader(service, by).rotate(id, next);
        await expectProblem(rotate(member), 403, 'owner_required');
        await expectProblem(rotate(stranger), 404, 'not_found');
        await expectProblem(rotate(holder), 403, 'permission_denied');
        await expectProblem(trader.rotate(newId(), next), 404, 'not_found');
      });
    });
  });

  it('makes an account active again that was invalid', async () => {
    await service.db.query(`UPDATE trading_accounts SET status = 'invalid' WHERE id = $1`, [id]);
    await trader.rotate(id, next, { request_token: token() }).expect(200, /"status":"active"/);
    expect(await rowOf(service, id)).toMatchObject({ status: 'active', turn_id: null });
  });
});
