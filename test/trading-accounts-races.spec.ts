import type { Response } from 'supertest';
import { KiteSandbox, startKiteSandbox } from '../src/embedded/kite-sandbox/kite-sandbox';
import { startService, TestService } from './support/app';
import { LinkedAccount, linkAccount, newKiteUser } from './support/kite';
import { newVerified, SignedIn } from './support/people';
import { App, credentialsOf, historyOf, Row, rowsOf, settled, Trader } from './support/trading-life';

const AT_ONCE = 20;

describe('twenty calls at once', () => {
  let service: TestService;
  let other: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let account: LinkedAccount;
  let id: string;
  let next: App;
  beforeAll(async () => {
    kite = await startKiteSandbox({ isLimited: false });
    service = await startService({
      KITE_API_BASE_URL: kite.url,
      KITE_LOGIN_URL: kite.loginUrl,
      RATELIMIT_BROKER_CALLS: '100000',
    });
    other = await service.another();
  });
  afterAll(async () => {
    await other.stop();
    await service.stop();
    await kite.stop();
  });
  beforeEach(async () => {
    person = await newVerified(service);
    account = await linkAccount(service, kite, person);
    id = account.accountId;
    next = kite.newApp();
  });

  type Call = (trader: Trader) => PromiseLike<Response>;
  const token = (app: App, user = account.brokerUserId) => kite.login(app.apiKey, user);
  const link: Call = (trader) => trader.link(account.app, { request_token: token(account.app) });
  const linkNext: Call = (trader) => trader.link(next, { request_token: token(next) });
  const session: Call = (trader) => trader.logIn(id, token(account.app), { use: 'current' });
  const finish: Call = (trader) => trader.logIn(id, token(next), { use: 'staged' });
  const stage: Call = (trader) => trader.rotate(id, next);
  const rotate: Call = (trader) => trader.rotate(id, next, { request_token: token(next) });
  const verify: Call = (trader) => trader.verify(id);
  const unlink: Call = (trader) => trader.unlink(id);

  /** Half of them on another instance. */
  const atOnce = async (...calls: Call[]): Promise<Response[]> =>
    Promise.all(
      Array.from({ length: AT_ONCE }, async (_, i) =>
        calls[i % calls.length]!(new Trader(i % 2 ? service : other, person)),
      ),
    );

  /** Whatever has won: what is stored and what lives at Kite are the same. */
  const expectConsistent = async (replies: Response[]): Promise<Row[]> => {
    await settled(service, other);
    const unexpected = replies.filter(({ status }) => ![200, 201, 404, 409, 422].includes(status));
    expect(unexpected.map(({ status, body }) => [status, body.code])).toEqual([]);
    const { accounts, credentials } = await rowsOf(service, person.userId);
    const living = accounts!.filter(({ status }) => status !== 'unlinked');
    for (const row of living) expect(row).toMatchObject({ turn_id: null, turn_ends_at: null });
    const users = living.map((row) => row.broker_user_id).filter(Boolean);
    expect(new Set(users).size).toBe(users.length);
    for (const { trading_account_id: owner } of credentials!)
      expect(living.map((row) => row.id)).toContain(owner);
    const stored: (string | null)[] = [];
    for (const row of living.filter(({ status }) => status === 'active'))
      stored.push((await credentialsOf(service, row.id as string))!.accessToken);
    const alive = kite
      .sessions()
      .filter(({ apiKey, alive }) => alive && [account.app.apiKey, next.apiKey].includes(apiKey))
      .map(({ accessToken }) => accessToken);
    expect(alive.sort()).toEqual(stored.sort());
    return living;
  };

  it.each<[string, () => Call[]]>([
    ['daily logins', () => [session]],
    ['rotations', () => [rotate, stage]],
    ['links of what is linked', () => [link]],
    ['logins and links with the same app', () => [session, link]],
    ['logins and rotations', () => [session, rotate, stage, finish]],
    ['links and rotations with the same app', () => [linkNext, rotate]],
    ['logins and links and verifications', () => [session, link, verify]],
    ['everything but an unlink', () => [link, linkNext, session, stage, rotate, finish, verify]],
  ])('%s leave one account, and the session that lives', async (_what, calls) => {
    for (let round = 0; round < 2; round++) {
      const living = await expectConsistent(await atOnce(...calls()));
      expect(living.map((row) => row.id)).toEqual([id]);
    }
  });

  it.each<[string, () => Call[]]>([
    ['logins', () => [session, session, session, unlink]],
    ['rotations', () => [rotate, stage, unlink]],
    ['links', () => [link, link, unlink]],
    ['everything', () => [link, linkNext, session, stage, rotate, finish, verify, unlink]],
  ])('%s and unlinks leave nothing of the account, and no session without one', async (_what, calls) => {
    const replies = await atOnce(...calls());
    const living = await expectConsistent(replies);
    expect(living.map((row) => row.id)).not.toContain(id);
    expect(living.length).toBeLessThanOrEqual(1);
    const unlinks = (await historyOf(service, id)).filter(({ type }) => type === 'trading_account.unlinked');
    expect(unlinks).toHaveLength(1);
    expect((await historyOf(service, id)).at(-1)!.type).toBe('trading_account.unlinked');
  });

  it('of first logins finish a link once', async () => {
    const trader = new Trader(service, person);
    const { body } = await trader.link(next).expect(201);
    const user = newKiteUser();
    const replies = await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, i) =>
        new Trader(i % 2 ? service : other, person).logIn(body.trading_account_id, token(next, user)),
      ),
    );
    const living = await expectConsistent(replies).catch((error: Error) => {
      throw new Error(`${error.message}: ${replies.map(({ status }) => status).join()}`);
    });
    expect(living).toHaveLength(2);
    const types = (await historyOf(service, body.trading_account_id)).map(({ type }) => type);
    expect(types.filter((type) => type === 'trading_account.linked')).toHaveLength(1);
  });

  it('of links with an app each, for one Kite user, link once', async () => {
    const user = newKiteUser();
    const apps = Array.from({ length: AT_ONCE - 2 }, () => kite.newApp());
    const replies = await Promise.all(
      apps.map(async (app, i) =>
        new Trader(i % 2 ? service : other, person).link(app, { request_token: token(app, user) }),
      ),
    );
    const made = replies.filter(({ status }) => status === 201);
    expect(made).toHaveLength(1);
    expect(new Set(replies.filter(({ status }) => status !== 201).map((reply) => reply.body.code))).toEqual(
      new Set(['trading_account_exists']),
    );
    await settled(service, other);
    const { accessToken } = (await credentialsOf(service, made[0]!.body.trading_account_id))!;
    const alive = kite.sessions().filter((at) => at.alive && at.userId === user);
    expect(alive.map((at) => at.accessToken)).toEqual([accessToken]);
  });
});
