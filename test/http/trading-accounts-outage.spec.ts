import type { Test } from 'supertest';
import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { unavailable } from '../../src/common/common.errors';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { DataKeys } from '../../src/trading-accounts/vault/data-keys';
import { TestService } from '../support/app';
import { LinkedAccount, linkAccount, newKiteUser, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { App, credentialsOf, historyOf, livingAt, rowOf, rowsOf, Trader } from '../support/trading-life';

/** `KITE_API_TIMEOUT_SECONDS` and a little. */
const LONGEST_MS = 1_900;

type Operation =
  'link' | 'link with a session' | 'first login' | 'daily login' | 'finish' | 'rotate' | 'verify';
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
  let account: LinkedAccount;
  let pending: { app: App; id: string };
  let staged: App;
  /** Of somebody else, to whom nothing happens. */
  let well: { trader: Trader; accountId: string };
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
    account = await linkAccount(service, kite, person);
    const app = kite.newApp();
    pending = { app, id: (await trader.link(app).expect(201)).body.trading_account_id };
    staged = kite.newApp();
    const somebody = await newVerified(service);
    const { accountId } = await linkAccount(service, kite, somebody);
    well = { trader: new Trader(service, somebody), accountId };
    await trader.rotate(account.accountId, staged).expect(200);
  });
  afterEach(() => {
    kite.fault('none');
    jest.restoreAllMocks();
  });

  const token = (app: App, user = account.brokerUserId) => ({
    request_token: kite.login(app.apiKey, user),
  });

  /** Each operation with a token that is good. */
  function begin(operation: Operation, app = kite.newApp()): Test {
    const logIn = (id: string, of: App, more = {}, user = account.brokerUserId) =>
      trader.logIn(id, token(of, user).request_token, more);
    switch (operation) {
      case 'link':
        return trader.link(app, token(app, newKiteUser()));
      case 'link with a session':
        return trader.link(app, { access_token: account.accessToken });
      case 'first login':
        return logIn(pending.id, pending.app, {}, newKiteUser());
      case 'daily login':
        return logIn(account.accountId, account.app, { use: 'current' });
      case 'finish':
        return logIn(account.accountId, staged);
      case 'rotate':
        return trader.rotate(account.accountId, app, token(app));
      case 'verify':
        return trader.verify(account.accountId);
    }
  }

  const state = async () => ({
    rows: await rowsOf(service, person.userId),
    history: await historyOf(service, account.accountId),
    inForce: await credentialsOf(service, account.accountId),
    waiting: await credentialsOf(service, account.accountId, 'staged'),
    pending: await credentialsOf(service, pending.id, 'staged'),
  });

  const faults = [
    ['down', 503, 'broker_unavailable'],
    ['slow', 503, 'broker_unavailable'],
    ['limited', 503, 'broker_unavailable'],
    ['server_error', 503, 'broker_unavailable'],
    ['reset', 503, 'broker_unavailable'],
    ['html', 502, 'broker_bad_answer'],
    ['rubbish', 502, 'broker_bad_answer'],
    ['endless', 502, 'broker_bad_answer'],
  ] as const;

  it.each(faults)(
    'lose nothing while Kite is %s: %i in time',
    async (fault, status, code) => {
      const before = await state();
      for (const operation of OPERATIONS) {
        // A call that is answered, so that Kite is asked each time and not left alone.
        kite.fault('none');
        await well.trader.verify(well.accountId).expect(200, /"credentials_valid":true/);
        kite.fault(fault);
        const asked = performance.now();
        const reply = await expectProblem(begin(operation), status, code);
        expect([operation, performance.now() - asked < LONGEST_MS]).toEqual([operation, true]);
        if (fault === 'limited') expect(reply.headers['retry-after']).toBe('2');
        expect(await state()).toEqual(before);
      }
      expect(before.inForce).toEqual({ ...account.app, accessToken: account.accessToken });
    },
    30_000,
  );

  it('go on as if nothing had been when Kite is back', async () => {
    kite.fault('server_error');
    for (const operation of OPERATIONS) await expectProblem(begin(operation), 503, 'broker_unavailable');
    kite.fault('none');
    for (const operation of ['link', 'first login', 'daily login', 'finish', 'rotate', 'verify'] as const) {
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
    for (const operation of needed) {
      for (const id of [account.accountId, pending.id]) keys.forget(id);
      await expectProblem(begin(operation), 503, 'unavailable');
    }
    jest.restoreAllMocks();
    expect(await state()).toEqual(before);
    // Nothing was asked of Kite before the KMS had answered.
    expect(livingAt(kite, account.app)).toHaveLength(1);
    await trader.verify(account.accountId).expect(200, /"credentials_valid":true/);
  });

  /** Has PostgreSQL refuse what would put a login in force, as a server does that shuts down. */
  const refusing = async (work: () => Promise<void>): Promise<void> => {
    await service.db.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'shutting down' USING ERRCODE = '57P01'; END $$`);
    await service.db.query(
      `CREATE TRIGGER refuse BEFORE UPDATE OF access_token ON trading_credentials EXECUTE FUNCTION refuse()`,
    );
    try {
      await work();
    } finally {
      await service.db.query('DROP FUNCTION refuse CASCADE');
    }
  };

  it('lose nothing that was in force when PostgreSQL fails between the login at Kite and the commit', async () => {
    const before = await state();
    await refusing(async () => {
      for (const operation of ['link', 'first login', 'finish', 'rotate'] as const) {
        await expectProblem(begin(operation), 503, 'unavailable');
        // What is given back in the background.
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect(await state()).toEqual(before);
      }
    });
    expect(livingAt(kite, account.app)).toHaveLength(1);
    await trader.verify(account.accountId).expect(200, /"credentials_valid":true/);
    for (const operation of ['link', 'first login', 'finish', 'rotate'] as const) {
      const { status } = await begin(operation);
      expect([operation, status]).toEqual([operation, operation === 'link' ? 201 : 200]);
    }
  });

  it('stay as they are when a daily login is lost: Kite has replaced the session, and verify finds out', async () => {
    const before = await state();
    await refusing(async () => {
      await expectProblem(begin('daily login'), 503, 'unavailable');
      await new Promise((resolve) => setTimeout(resolve, 100));
    });
    expect(await state()).toEqual(before);
    await trader.verify(account.accountId).expect(200, /"status":"session_expired"/);
    await begin('daily login').expect(200, /"status":"active"/);
  });

  it('lose nothing when PostgreSQL fails in the middle of an unlink', async () => {
    const before = await state();
    await service.db.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'shutting down' USING ERRCODE = '57P01'; END $$`);
    await service.db.query(`CREATE TRIGGER refuse BEFORE INSERT ON event_outbox EXECUTE FUNCTION refuse()`);
    await expectProblem(trader.unlink(account.accountId), 503, 'unavailable').finally(() =>
      service.db.query('DROP FUNCTION refuse CASCADE'),
    );
    expect(await state()).toEqual(before);
    expect(livingAt(kite, account.app)).toHaveLength(1);
  });

  it('are open to the next login after a process died with the turn, and not before', async () => {
    const gate = kite.hold();
    // Its completion finds another turn in the row: as if this process had been taken for dead.
    const late = begin('daily login').then((reply) => reply);
    while (gate.held() === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await service.db.query(`UPDATE trading_accounts SET turn_ends_at = now() WHERE id = $1`, [
      account.accountId,
    ]);
    const next = begin('finish').then((reply) => reply);
    while (gate.held() < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    gate.release();
    const [one, two] = await Promise.all([late, next]);
    expect([one.status, one.body.code]).toEqual([409, 'broker_call_in_progress']);
    expect(two.status).toBe(200);
    expect(await credentialsOf(service, account.accountId)).toMatchObject(staged);
    expect(await rowOf(service, account.accountId)).toMatchObject({ status: 'active', turn_id: null });
    const { accessToken } = (await credentialsOf(service, account.accountId))!;
    expect(
      kite
        .sessions()
        .filter(({ alive }) => alive)
        .map((session) => session.accessToken),
    ).toContain(accessToken);
  });
});
