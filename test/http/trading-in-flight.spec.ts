import type { Test } from 'supertest';
import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { eventually, TestService } from '../support/app';
import { heldUp } from '../support/authority';
import { linkAccount, LinkedAccount, newKiteUser, startServiceWithKite } from '../support/kite';
import { newTrader } from '../support/members';
import { SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { App, credentialsOf, historyOf, livingAt, rowsOf, settled, Trader } from '../support/trading-life';

describe('What was asked of a trading account before its owner lost the permission', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let owner: SignedIn;
  let trader: Trader;
  let account: LinkedAccount;
  let app: App;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite({ KITE_API_TIMEOUT_SECONDS: '20' }));
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    owner = await newTrader(service);
    trader = new Trader(service, owner);
    account = await linkAccount(service, kite, owner);
    app = kite.newApp();
  });

  const lose = (): Promise<unknown> =>
    service.db.query(`DELETE FROM user_roles WHERE user_id = $1`, [owner.userId]);
  const requestToken = (userId = account.brokerUserId, { apiKey } = app): string =>
    kite.login(apiKey, userId);

  const calls: Record<string, () => { call: () => Test; used: App }> = {
    'a link': () => {
      const request_token = requestToken(newKiteUser());
      return { call: () => trader.link(app, { request_token }), used: app };
    },
    'a rotation': () => {
      const request_token = requestToken();
      return { call: () => trader.rotate(account.accountId, app, { request_token }), used: app };
    },
    'a login': () => {
      const token = requestToken(account.brokerUserId, account.app);
      return { call: () => trader.logIn(account.accountId, token), used: account.app };
    },
  };

  it.each(Object.keys(calls))(
    'leaves nothing and no session at Kite: %s that Kite was asked about',
    async (name) => {
      const { call, used } = calls[name]!();
      const before = await credentialsOf(service, account.accountId);
      const gate = kite.hold();
      const reply = expectProblem(call(), 403, 'permission_denied');
      await eventually(async () => gate.held() === 1, 'Kite to be asked')
        .finally(lose)
        .finally(() => gate.release());
      await reply;
      await settled(service);
      const { accounts } = await rowsOf(service, owner.userId);
      expect(accounts?.map(({ id }) => id)).toEqual([account.accountId]);
      expect(await credentialsOf(service, account.accountId)).toEqual(before);
      expect(livingAt(kite, used)).toEqual([]);
    },
  );

  it.each([
    ['a link', () => trader.link(app)],
    ['a rotation', () => trader.rotate(account.accountId, app)],
  ])('leaves nothing: %s that was to wait for its login', async (_name, call) => {
    const before = await rowsOf(service, owner.userId);
    const reply = await heldUp(service, owner.userId, call, lose);
    expect([reply.status, reply.body.code]).toEqual([403, 'permission_denied']);
    expect(await rowsOf(service, owner.userId)).toEqual(before);
    expect(await historyOf(service, account.accountId)).toHaveLength(1);
  });

  it('is on record where it waits for its login', async () => {
    const { body } = await trader.link(app).expect(201);
    await trader.rotate(account.accountId, kite.newApp()).expect(200);
    const staged = {
      type: 'trading_account.credentials_updated',
      subject: `user:${owner.userId}`,
      actor: `user:${owner.userId}`,
      data: { credentials: 'staged' },
    };
    expect(await historyOf(service, body.trading_account_id)).toEqual([staged]);
    expect((await historyOf(service, account.accountId)).at(-1)).toEqual(staged);
  });
});
