import type { Response, Test } from 'supertest';
import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { unavailable } from '../../src/common/common.errors';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { DataKeys } from '../../src/trading-accounts/vault/data-keys';
import { eventually, TestService } from '../support/app';
import { LinkedAccount, linkAccount, newKiteUser, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { refuseWrites, SHUTTING_DOWN } from '../support/refused-writes';
import {
  App,
  callsDuring,
  credentialsOf,
  historyOf,
  livingAt,
  rowOf,
  rowsOf,
  settled,
  Trader,
} from '../support/trading-life';

/** `KITE_API_TIMEOUT_SECONDS`, and what a busy machine adds. */
const LONGEST_MS = 2_900;

type Operation =
  'link' | 'link with a session' | 'first login' | 'daily login' | 'finish' | 'rotate' | 'verify';
type OnAccount = Extract<Operation, 'daily login' | 'finish' | 'rotate' | 'verify'>;
const OPERATIONS: Operation[] = [
  'link',
  'link with a session',
  'first login',
  'daily login',
  'finish',
  'rotate',
  'verify',
];

describe('trading accounts', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let trader: Trader;
  /** Of the operations on an account, each has its own: they are made at once. */
  let accounts: Record<OnAccount, LinkedAccount>;
  let pending: { app: App; id: string };
  /** Waits at the account of `finish`. */
  let staged: App;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite({
      RATELIMIT_BROKER_CALLS: '1000',
      KITE_API_MAX_RETRIES: '1',
      KITE_API_TIMEOUT_SECONDS: '1',
    }));
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = await newVerified(service);
    trader = new Trader(service, person);
    const [daily, finish, rotate, verify] = await Promise.all(
      Array.from({ length: 4 }, () => linkAccount(service, kite, person)),
    );
    accounts = { 'daily login': daily!, finish: finish!, rotate: rotate!, verify: verify! };
    const app = kite.newApp();
    pending = { app, id: (await trader.link(app).expect(201)).body.trading_account_id };
    staged = kite.newApp();
    await trader.rotate(accounts.finish.accountId, staged).expect(200);
  });
  afterEach(() => {
    kite.fault('none');
    jest.restoreAllMocks();
  });

  /** Each operation with a token that is good. */
  function begin(operation: Operation, app = kite.newApp()): Test {
    const token = (of: App, user = newKiteUser()) => kite.login(of.apiKey, user);
    const { 'daily login': daily, finish, rotate, verify } = accounts;
    switch (operation) {
      case 'link':
        return trader.link(app, { request_token: token(app) });
      case 'link with a session':
        return trader.link(app, { access_token: daily.accessToken });
      case 'first login':
        return trader.logIn(pending.id, token(pending.app));
      case 'daily login':
        return trader.logIn(daily.accountId, token(daily.app, daily.brokerUserId));
      case 'finish':
        return trader.logIn(finish.accountId, token(staged, finish.brokerUserId));
      case 'rotate':
        return trader.rotate(rotate.accountId, app, { request_token: token(app, rotate.brokerUserId) });
      case 'verify':
        return trader.verify(verify.accountId);
    }
  }

  const allAtOnce = async (status: number, code: string, operations = OPERATIONS): Promise<Response[]> =>
    Promise.all(operations.map((operation) => expectProblem(begin(operation), status, code)));

  /** What is stored and what has happened, but for the account of the daily login. */
  const others = async () => {
    const daily = accounts['daily login'].accountId;
    const rows = await rowsOf(service, person.userId);
    const ids = rows.accounts!.map(({ id }) => id as string).filter((id) => id !== daily);
    return {
      accounts: rows.accounts!.filter(({ id }) => id !== daily),
      credentials: rows.credentials,
      histories: await Promise.all(ids.map((id) => historyOf(service, id))),
    };
  };
  const state = async () => ({
    others: await others(),
    daily: await rowOf(service, accounts['daily login'].accountId),
    history: await historyOf(service, accounts['daily login'].accountId),
  });
  const expectAllInForce = async (): Promise<void> => {
    for (const { accountId, app, accessToken } of Object.values(accounts))
      expect(await credentialsOf(service, accountId)).toEqual({ ...app, accessToken });
  };

  /** With some of them Kite has done what it was asked for, and a login has replaced the session before it. */
  const faults = [
    ['down', 503, 'broker_unavailable', 'active'],
    ['slow', 503, 'broker_unavailable', 'session_expired'],
    ['limited', 503, 'broker_unavailable', 'active'],
    ['server_error', 503, 'broker_unavailable', 'active'],
    ['reset', 503, 'broker_unavailable', 'session_expired'],
    ['html', 502, 'broker_bad_answer', 'active'],
    ['rubbish', 502, 'broker_bad_answer', 'session_expired'],
    ['endless', 502, 'broker_bad_answer', 'session_expired'],
  ] as const;

  it.each(faults)(
    'lose nothing while Kite is %s: %i %s in time; what the login of a day has replaced is %s afterwards',
    async (fault, status, code, daily) => {
      const before = await others();
      kite.fault(fault);
      const asked = performance.now();
      const replies = await allAtOnce(status, code);
      expect(performance.now() - asked).toBeLessThan(LONGEST_MS);
      if (fault === 'limited') for (const { headers } of replies) expect(headers['retry-after']).toBe('2');
      kite.fault('none');
      await settled(service);
      expect(await others()).toEqual(before);
      await expectAllInForce();
      expect(await rowOf(service, accounts['daily login'].accountId)).toMatchObject({ status: daily });
    },
  );

  it('go on as if nothing had been when Kite is back', async () => {
    kite.fault('server_error');
    await allAtOnce(503, 'broker_unavailable');
    kite.fault('none');
    await settled(service);
    for (const operation of OPERATIONS.filter((name) => name !== 'link with a session')) {
      const reply = await begin(operation);
      expect([operation, reply.status]).toEqual([operation, operation === 'link' ? 201 : 200]);
    }
  });

  it.each(['wrap', 'unwrap'] as const)('lose nothing while the KMS cannot %s', async (method) => {
    const before = await state();
    const keys = service.app.get(DataKeys, { strict: false });
    jest.spyOn(service.app.get<Kms>(KMS), method).mockRejectedValue(unavailable({ retryAfter: 1 }));
    const needed =
      method === 'wrap'
        ? OPERATIONS.slice(0, 2)
        : OPERATIONS.filter((name) => name !== 'link with a session');
    for (const { id } of await service.db.query<{ id: string }[]>('SELECT id FROM trading_accounts'))
      keys.forget(id);
    const calls = await callsDuring(kite, () => allAtOnce(503, 'unavailable', needed));
    // Nothing is asked of Kite before the KMS has answered.
    expect(calls).toEqual([]);
    jest.restoreAllMocks();
    expect(await state()).toEqual(before);
    await trader.verify(accounts.verify.accountId).expect(200, /"credentials_valid":true/);
  });

  /** Has PostgreSQL refuse what would put a login in force, as a server does that shuts down. */
  const refusing = async (work: () => Promise<void>): Promise<void> => {
    const table = 'trading_credentials';
    const accept = await refuseWrites(service.db, { table, of: 'UPDATE OF access_token', ...SHUTTING_DOWN });
    await work().finally(accept);
  };

  it('lose nothing that was in force when PostgreSQL fails between the login at Kite and the commit', async () => {
    const before = await others();
    const operations = ['link', 'first login', 'finish', 'rotate', 'daily login'] as const;
    await refusing(async () => {
      await allAtOnce(503, 'unavailable', [...operations]);
      await settled(service);
    });
    // What is given back in the background.
    await eventually(async () => {
      const rows = (await rowsOf(service, person.userId)).accounts!;
      return rows.every((row) => row.turn_id === null);
    }, 'the turns to end');
    expect(await others()).toEqual(before);
    await expectAllInForce();
    // Kite has replaced this one.
    expect(await rowOf(service, accounts['daily login'].accountId)).toMatchObject({
      status: 'session_expired',
    });
    for (const operation of operations) {
      const { status } = await begin(operation);
      expect([operation, status]).toEqual([operation, operation === 'link' ? 201 : 200]);
    }
  });

  it('lose nothing when PostgreSQL fails in the middle of an unlink', async () => {
    const before = await state();
    const accept = await refuseWrites(service.db, { table: 'event_outbox', of: 'INSERT', ...SHUTTING_DOWN });
    const { accountId, app } = accounts.verify;
    await expectProblem(trader.unlink(accountId), 503, 'unavailable').finally(accept);
    expect(await state()).toEqual(before);
    expect(livingAt(kite, app)).toHaveLength(1);
  });

  it('are open to the next login after a process died with the turn, and not before', async () => {
    const { accountId, app, brokerUserId } = accounts.finish;
    const gate = kite.hold();
    // Its completion finds another turn in the row: as if this process had been taken for dead.
    const logIn = (of: App, use: string) =>
      trader.logIn(accountId, kite.login(of.apiKey, brokerUserId), { use }).then((reply) => reply);
    const late = logIn(app, 'current');
    await eventually(async () => gate.held() === 1, 'the first login');
    await service.db.query(`UPDATE trading_accounts SET turn_ends_at = now() WHERE id = $1`, [accountId]);
    const next = logIn(staged, 'staged');
    await eventually(async () => gate.held() === 2, 'the second one');
    gate.release();
    const [one, two] = await Promise.all([late, next]);
    expect([one.status, one.body.code]).toEqual([409, 'broker_call_in_progress']);
    expect(two.status).toBe(200);
    await settled(service);
    expect(await credentialsOf(service, accountId)).toMatchObject(staged);
    expect(await rowOf(service, accountId)).toMatchObject({ status: 'active', turn_id: null });
    // Both sessions of the old app are over: the one that came too late, and the one before.
    expect(livingAt(kite, app, staged)).toEqual([`${staged.apiKey}/${brokerUserId}`]);
  });
});
