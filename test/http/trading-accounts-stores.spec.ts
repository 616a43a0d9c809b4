import type { Test } from 'supertest';
import { KiteSandbox, startKiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { eventually, startService, TestService } from '../support/app';
import { forgotten } from '../support/forgotten';
import { LinkedAccount, linkAccount, newKiteUser } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { OwnServers, startOwnServers } from '../support/servers';
import { callsDuring, historyOf, livingAt, rowsOf, Trader } from '../support/trading-life';

/** The longest wait for a store is two seconds; the rest is what a busy machine adds. */
const LONGEST_MS = 6_000;

describe('trading accounts', () => {
  let servers: OwnServers;
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let trader: Trader;
  let account: LinkedAccount;
  beforeAll(async () => {
    servers = await startOwnServers();
    kite = await startKiteSandbox();
    service = await startService(
      { KITE_API_BASE_URL: kite.url, KITE_LOGIN_URL: kite.loginUrl, RATELIMIT_BROKER_CALLS: '1000' },
      { ...servers, drop: () => Promise.resolve() },
    );
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await kite.stop();
    await servers.stop();
  });
  beforeEach(async () => {
    person = await newVerified(service);
    trader = new Trader(service, person);
    account = await linkAccount(service, kite, person);
  });

  const calls = (): Test[] => {
    const [app, next] = [kite.newApp(), kite.newApp()];
    const token = (of = app, user = account.brokerUserId) => kite.login(of.apiKey, user);
    const id = account.accountId;
    return [
      trader.link(app, { request_token: token(app, newKiteUser()) }),
      trader.link(app, {}, 'a key'),
      trader.logIn(id, token(account.app)),
      trader.rotate(id, next, { request_token: token(next) }),
      trader.rotate(id, next),
      trader.verify(id),
      trader.unlink(id),
    ];
  };

  const state = async () => [
    await rowsOf(service, person.userId),
    await historyOf(service, account.accountId),
  ];
  const works = () =>
    eventually(
      async () => (await service.client().get('/v1/users/me', person.accessToken)).status === 200,
      'recovery',
    );

  it.each([
    ['Redis hangs', () => servers.freezeRedis(), () => servers.thawRedis()],
    ['Redis is gone', () => servers.killRedis(), () => servers.restartRedis()],
    ['PostgreSQL hangs', () => servers.freezePostgres(), () => servers.thawPostgres()],
    ['PostgreSQL is gone', () => servers.killPostgres(), () => servers.restartPostgres()],
  ])('answer 503 in time while %s, ask Kite nothing, and change nothing', async (_how, fail, repair) => {
    const before = await state();
    const asked = await callsDuring(kite, async () => {
      await Promise.resolve(fail());
      await forgotten();
      const begun = performance.now();
      await Promise.all(calls().map((call) => expectProblem(call, 503, 'unavailable')))
        .then(() => expect(performance.now() - begun).toBeLessThan(LONGEST_MS))
        .finally(repair);
      await works();
    });
    expect(asked).toEqual([]);
    expect(await state()).toEqual(before);
    expect(livingAt(kite, account.app)).toHaveLength(1);
    await trader.verify(account.accountId).expect(200, /"credentials_valid":true/);
    await trader.unlink(account.accountId).expect(200);
  });

  it('answer 503 in time when PostgreSQL hangs while Kite is asked; the link is gone, or waits', async () => {
    const app = kite.newApp();
    const more = { request_token: kite.login(app.apiKey, newKiteUser()) };
    const gate = kite.hold();
    const link = expectProblem(trader.link(app, more, 'a key'), 503, 'unavailable');
    await eventually(async () => gate.held() === 1, 'Kite to be asked');
    servers.freezePostgres();
    const begun = performance.now();
    gate.release();
    await link.finally(() => servers.thawPostgres());
    expect(performance.now() - begun).toBeLessThan(LONGEST_MS);
    await works();
    service.advance(60_000);
    // Either it could be taken back, and the token is used by now; or it waits, and is found again. What PostgreSQL was
    // told before may be done at any moment now: it may vanish while this looks for it.
    const again = await eventually(async () => {
      const reply = await trader.link(app, more, 'a key');
      return !['not_found', 'trading_account_exists'].includes(reply.body.code) && reply;
    }, 'the link');
    const outcome = again.status === 201 ? again.body.status : again.body.code;
    expect(['pending_login', 'broker_refused']).toContain(outcome);
    await trader.verify(account.accountId).expect(200, /"credentials_valid":true/);
  });
});
