import { Client } from 'pg';
import type { Response } from 'supertest';
import { KiteSandbox } from '../src/embedded/kite-sandbox/kite-sandbox';
import { KMS, Kms } from '../src/infra/kms/kms';
import { DataKeys } from '../src/trading-accounts/vault/data-keys';
import { eventually, TestService } from './support/app';
import { LinkedAccount, linkAccount, newKiteUser, startServiceWithKite } from './support/kite';
import { newAdministrator, newVerified, SignedIn } from './support/people';
import { proveTotp, turnOnTotp } from './support/second-factor';
import { newKey, newServiceAccount, withKey } from './support/services';
import { settled, Trader } from './support/trading-life';

/** Fewer than there are calls at once. */
const POOL = 3;
const AT_ONCE = 8;

describe('while somebody else is asked, no transaction is open', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let observer: Client;
  let person: SignedIn;
  let trader: Trader;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite({
      KITE_API_TIMEOUT_SECONDS: '20',
      RATELIMIT_BROKER_CALLS: '1000',
      DATABASE_POOL_SIZE: String(POOL),
      DATABASE_MAX_OVERFLOW: '0',
    }));
    observer = new Client({ connectionString: service.config.DATABASE_URL });
    await observer.connect();
  });
  afterAll(async () => {
    await observer.end();
    await service.stop();
  });
  beforeEach(async () => {
    person = await newVerified(service);
    trader = new Trader(service, person);
  });
  afterEach(() => jest.restoreAllMocks());

  /** Transactions of others that have lasted for longer than any of ours needs. */
  const openTransactions = async (): Promise<string[]> => {
    const { rows } = await observer.query<{ query: string }>(
      `SELECT query FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
         AND xact_start < clock_timestamp() - interval '200 ms'`,
    );
    return rows.map(({ query }) => query);
  };

  const expectFree = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    // One that is kept open stays; on a busy machine another may take its time.
    await eventually(async () => (await openTransactions()).length === 0, 'no open transaction');
    // Every connection of the pool would be taken if each call kept one.
    const others = await Promise.all(
      Array.from({ length: 2 * POOL }, () => service.client().get('/v1/users/me', person.accessToken)),
    );
    expect(others.map(({ status }) => status)).toEqual(Array<number>(2 * POOL).fill(200));
  };

  it('which is seen where there is one', async () => {
    await service.db.transaction(async (tx) => {
      await tx.query('SELECT FROM trading_accounts');
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await openTransactions()).toContain('SELECT FROM trading_accounts');
    });
  });

  const accounts = (): Promise<LinkedAccount[]> =>
    Promise.all(Array.from({ length: AT_ONCE }, () => linkAccount(service, kite, person)));
  const token = ({ app, brokerUserId }: Pick<LinkedAccount, 'app' | 'brokerUserId'>) =>
    kite.login(app.apiKey, brokerUserId);

  /** Somebody else for each call, because a deletion is one's own. */
  const deletions = (): Promise<(() => Promise<Response>)[]> =>
    Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const owner = await newVerified(service);
        await linkAccount(service, kite, owner);
        const { password } = owner.person;
        return async () => service.client().delete('/v1/users/me', owner.accessToken).send({ password });
      }),
    );

  /** What each operation needs before, and the calls that are then made at once. */
  const operations: Record<string, () => Promise<(() => Promise<Response>)[]>> = {
    'link with a request token': async () =>
      Array.from({ length: AT_ONCE }, () => {
        const app = kite.newApp();
        const request_token = kite.login(app.apiKey, newKiteUser());
        return async () => trader.link(app, { request_token });
      }),
    'link with an access token': async () => {
      const others = await accounts();
      const other = new Trader(service, await newVerified(service));
      return others.map(
        ({ app, accessToken }) =>
          async () =>
            other.link(app, { access_token: accessToken }),
      );
    },
    session: async () =>
      (await accounts()).map((account) => async () => trader.logIn(account.accountId, token(account))),
    'rotate with a token': async () =>
      (await accounts()).map(({ accountId, brokerUserId }) => {
        const app = kite.newApp();
        const request_token = token({ app, brokerUserId });
        return async () => trader.rotate(accountId, app, { request_token });
      }),
    verify: async () =>
      (await accounts()).map(
        ({ accountId }) =>
          async () =>
            trader.verify(accountId),
      ),
    'session of another user': async () =>
      (await accounts()).map(({ accountId, app }) => {
        const other = token({ app, brokerUserId: newKiteUser() });
        return async () => trader.logIn(accountId, other);
      }),
    'link of what is linked': async () =>
      (await accounts()).map(({ app, brokerUserId }) => {
        const request_token = token({ app, brokerUserId });
        return async () => trader.link(app, { request_token });
      }),
    'deletion of users': deletions,
    unlink: async () =>
      (await accounts()).map(
        ({ accountId }) =>
          async () =>
            trader.unlink(accountId),
      ),
  };

  /** Those that the KMS alone is asked for. */
  const reads: typeof operations = {
    'hand-off': async () => {
      const router = await newServiceAccount(service, 'trading_credentials:read');
      const { apiKey } = await newKey(service, await newAdministrator(service), router, [
        'trading_credentials:read',
      ]);
      return (await accounts()).map(({ accountId }) => {
        const path = `/v1/internal/trading-accounts/${accountId}/credentials`;
        return async () => withKey(service.client().post(path, { reason: 'order' }), apiKey);
      });
    },
    include_credentials: () =>
      Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          const owner = await newVerified(service);
          await linkAccount(service, kite, owner);
          const proof = await proveTotp(service, owner, await turnOnTotp(service, owner));
          const path = '/v1/trading-accounts?include_credentials=true';
          return async () => service.client().get(path, owner.accessToken).set('X-Verification-Token', proof);
        }),
      ),
  };

  const STATUSES: Record<string, number> = {
    'link with a request token': 201,
    'link with an access token': 201,
    'session of another user': 409,
    'link of what is linked': 409,
  };
  const expectDone = async (name: string, replies: Promise<Response>[]): Promise<void> => {
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([STATUSES[name] ?? 200]));
    await settled(service);
  };

  describe.each(Object.keys(operations))('%s', (name) => {
    it('with Kite held', async () => {
      const calls = await operations[name]!();
      const gate = kite.hold();
      const replies = calls.map((call) => call());
      await eventually(async () => gate.held() === AT_ONCE, 'Kite to be asked');
      await expectFree().finally(() => gate.release());
      await expectDone(name, replies);
    });
  });

  describe.each(Object.entries({ ...operations, ...reads }))('%s', (name, prepare) => {
    it('with the KMS held', async () => {
      const calls = await prepare();
      const keys = service.app.get(DataKeys, { strict: false });
      const rows = await service.db.query<{ id: string }[]>('SELECT id FROM trading_accounts');
      for (const { id } of rows) keys.forget(id);
      const gate = holdKms(service.app.get<Kms>(KMS));
      const replies = calls.map((call) => call());
      await eventually(async () => gate.held() >= AT_ONCE, 'the KMS to be asked');
      await expectFree().finally(() => gate.release());
      await expectDone(name, replies);
    });
  });

  it('after a rotation, while the old session is logged out', async () => {
    const [account] = await accounts();
    const app = kite.newApp();
    const request_token = token({ app, brokerUserId: account!.brokerUserId });
    const first = kite.hold();
    const reply = (async () => trader.rotate(account!.accountId, app, { request_token }))();
    await eventually(async () => first.held() === 1, 'the exchange');
    const second = holdNext(first, () => kite.hold());
    await eventually(async () => second.held() === 1, 'the logout');
    await expectFree().finally(() => second.release());
    expect((await reply).status).toBe(200);
    await settled(service);
  });

  it('after logins that are not kept, while they are ended, and while their accounts are looked at', async () => {
    const calls = await operations['link of what is linked']!();
    const exchange = kite.hold();
    const replies = calls.map((call) => call());
    await eventually(async () => exchange.held() === AT_ONCE, 'the exchanges');
    const logout = holdNext(exchange, () => kite.hold());
    await eventually(async () => logout.held() === AT_ONCE, 'the logouts');
    await expectFree();
    const profile = holdNext(logout, () => kite.hold());
    await eventually(async () => profile.held() === AT_ONCE, 'the questions');
    await expectFree().finally(() => profile.release());
    await expectDone('link of what is linked', replies);
  });
});

/** Lets what is held go on, and holds what comes next. */
function holdNext<T>(first: { release(): void }, hold: () => T): T {
  first.release();
  return hold();
}

/** Has every question to the KMS wait. */
function holdKms(kms: Kms): { held(): number; release(): void } {
  let held = 0;
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  for (const method of ['wrap', 'unwrap'] as const) {
    const real = kms[method].bind(kms);
    jest.spyOn(kms, method).mockImplementation(async (bytes, context) => {
      held++;
      await gate;
      return real(bytes, context);
    });
  }
  return { held: () => held, release: () => open() };
}
