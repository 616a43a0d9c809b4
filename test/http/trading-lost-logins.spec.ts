import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { KiteBroker } from '../../src/trading-accounts/brokers/kite/kite-broker';
import { eventually, TestService } from '../support/app';
import { LinkedAccount, linkAccount, newKiteUser, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { refuseWrites, SHUTTING_DOWN } from '../support/refused-writes';
import {
  credentialsOf,
  expectExists,
  historyOf,
  livingAt,
  rowOf,
  settled,
  Trader,
} from '../support/trading-life';

/** Kite has one session for an app and a user: a login that was not kept here may have ended the one that is stored. */
describe('a login at Kite that was not kept', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let trader: Trader;
  let account: LinkedAccount;
  let id: string;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite({
      RATELIMIT_BROKER_CALLS: '1000',
      KITE_API_TIMEOUT_SECONDS: '1',
      KITE_API_MAX_RETRIES: '0',
    }));
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = await newVerified(service);
    trader = new Trader(service, person);
    account = await linkAccount(service, kite, person);
    id = account.accountId;
  });
  afterEach(async () => {
    kite.fault('none');
    jest.restoreAllMocks();
    await settled(service);
  });

  const token = (user = account.brokerUserId, { apiKey } = account.app) => kite.login(apiKey, user);
  const status = async (accountId = id) => (await rowOf(service, accountId)).status;
  const lastOf = async (accountId = id) => (await historyOf(service, accountId)).at(-1);
  const REPLACED = { type: 'trading_account.session_expired', actor: 'system', data: { reason: 'replaced' } };

  describe('because its answer was lost', () => {
    const lost = [
      ['slow', 503, 'broker_unavailable'],
      ['reset', 503, 'broker_unavailable'],
      ['rubbish', 502, 'broker_bad_answer'],
    ] as const;

    it.each(lost)(
      '(%s) shows as expired when Kite answers again, and says that it may be',
      async (fault, status_, code) => {
        kite.fault(fault);
        const { body } = await expectProblem(trader.logIn(id, token()), status_, code);
        expect(body.detail).toMatch(/may have taken the login/);
        kite.fault('none');
        await eventually(async () => (await status()) === 'session_expired', 'the end to be noticed');
        expect(await lastOf()).toMatchObject(REPLACED);
        expect(await credentialsOf(service, id)).toMatchObject({ accessToken: account.accessToken });
        await trader.logIn(id, token()).expect(200, /"status":"active"/);
        await settled(service);
        expect(await status()).toBe('active');
      },
    );

    it('ends no session where Kite had not taken it', async () => {
      kite.fault('server_error');
      await expectProblem(trader.logIn(id, token()), 503, 'broker_unavailable');
      kite.fault('none');
      await settled(service);
      expect(await status()).toBe('active');
      expect(livingAt(kite, account.app)).toHaveLength(1);
    });

    it('does not say so where Kite was not even asked, or had enough calls', async () => {
      kite.fault('limited');
      const { body } = await expectProblem(trader.logIn(id, token()), 503, 'broker_unavailable');
      expect(body.detail).toMatch(/Nothing was changed/);
    });

    it('shows at the other account where it was a link or a rotation with the same app', async () => {
      const second = await linkAccount(service, kite, person);
      kite.fault('reset');
      await expectProblem(trader.link(account.app, { request_token: token() }), 503, 'broker_unavailable');
      const rotation = { request_token: token(second.brokerUserId, second.app) };
      await expectProblem(trader.rotate(id, second.app, rotation), 503, 'broker_unavailable');
      kite.fault('none');
      for (const accountId of [id, second.accountId])
        await eventually(async () => (await status(accountId)) === 'session_expired', accountId);
    });

    it('is no matter of accounts of others, with other apps, or of another user of the broker', async () => {
      const [second, stranger] = [await linkAccount(service, kite, person), await newVerified(service)];
      const theirs = await linkAccount(service, kite, stranger);
      kite.fault('reset');
      const link = trader.link(account.app, { request_token: token(newKiteUser()) });
      await expectProblem(link, 503, 'broker_unavailable');
      kite.fault('none');
      await settled(service);
      for (const accountId of [id, second.accountId, theirs.accountId])
        expect(await status(accountId)).toBe('active');
    });
  });

  /** Logs in twice, where the process of the first login is slow: by then the second one has the turn. */
  it('because its turn was over shows in the account that a later login had put in force', async () => {
    const broker = service.app.get(KiteBroker, { strict: false });
    const real = broker.exchange.bind(broker);
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const exchange = jest.spyOn(broker, 'exchange').mockImplementationOnce(async (...asked) => {
      await gate;
      return real(...asked);
    });
    const late = trader.logIn(id, token()).then((reply) => reply);
    await eventually(async () => exchange.mock.calls.length === 1, 'the exchange');
    await service.db.query(`UPDATE trading_accounts SET turn_ends_at = now() WHERE id = $1`, [id]);
    await trader.logIn(id, token()).expect(200);
    go();
    const reply = await late;
    expect([reply.status, reply.body.code]).toEqual([409, 'broker_call_in_progress']);
    await settled(service);
    expect(livingAt(kite, account.app)).toEqual([]);
    expect(await status()).toBe('session_expired');
    expect(await lastOf()).toMatchObject(REPLACED);
  });

  it('because PostgreSQL failed shows, too', async () => {
    const [table, of] = ['trading_credentials', 'UPDATE OF access_token'];
    const accept = await refuseWrites(service.db, { table, of, ...SHUTTING_DOWN });
    await expectProblem(trader.logIn(id, token()), 503, 'unavailable').finally(accept);
    await settled(service);
    expect(await status()).toBe('session_expired');
  });

  describe('keeps nobody waiting', () => {
    /** What is answered first: the call, or the one at Kite that is held after the exchange. */
    const expectFirst = async (call: PromiseLike<{ status: number }>, status_: number): Promise<void> => {
      const exchange = kite.hold();
      const reply = Promise.resolve(call);
      await eventually(async () => exchange.held() === 1, 'the exchange');
      const next = kite.hold();
      await eventually(async () => next.held() === 1, 'the next call');
      expect(await Promise.race([reply, settled(service)])).toMatchObject({ status: status_ });
      next.release();
      await settled(service);
    };

    it('for the end of the old session after a rotation', async () => {
      const next = kite.newApp();
      await expectFirst(trader.rotate(id, next, { request_token: token(undefined, next) }), 200);
      expect(livingAt(kite, account.app, next)).toEqual([`${next.apiKey}/${account.brokerUserId}`]);
    });

    it('for the end of a session that is not wanted, nor for what it has replaced', async () => {
      await expectFirst(trader.link(account.app, { request_token: token() }, 'a key'), 409);
      expect(livingAt(kite, account.app)).toEqual([]);
      expect(await status()).toBe('session_expired');
      // The account of that link is gone: the same key finds none.
      await expectExists(trader.link(account.app, { request_token: token() }, 'a key'), id);
    });
  });

  it('is not looked for at Kite while another login of the account is under way', async () => {
    const stranger = token(newKiteUser());
    await service.db.query(
      `UPDATE trading_accounts SET turn_id = gen_random_uuid(), turn_ends_at = now() + interval '1 minute' WHERE id = $1`,
      [id],
    );
    const before = kite.calls.length;
    const other = kite.newApp();
    await expectExists(trader.link(other, { request_token: token(undefined, other) }), id);
    await eventually(async () => livingAt(kite, other).length === 0, 'the logout');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(kite.calls.slice(before).map(({ method }) => method)).toEqual(['POST', 'DELETE']);
    await service.db.query(`UPDATE trading_accounts SET turn_id = NULL, turn_ends_at = NULL WHERE id = $1`, [
      id,
    ]);
    await settled(service);
    expect(await status()).toBe('active');
    await expectProblem(trader.logIn(id, stranger), 409, 'broker_user_mismatch');
  });
});
