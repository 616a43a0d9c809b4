import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { newId } from '../../src/common/ids';
import { BrokerFailure } from '../../src/trading-accounts/brokers/broker';
import { KiteBroker } from '../../src/trading-accounts/brokers/kite/kite-broker';
import { TestService } from '../support/app';
import { newHolder } from '../support/authority';
import { LinkedAccount, linkAccount, newKiteUser, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { callsDuring, historyOf, rowOf, rowsOf, share, Trader, typesOf } from '../support/trading-life';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('POST /v1/trading-accounts/{id}/verify', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let trader: Trader;
  let account: LinkedAccount;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite());
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = await newVerified(service);
    trader = new Trader(service, person);
    account = await linkAccount(service, kite, person);
  });
  afterEach(() => jest.restoreAllMocks());

  const setRow = (set: string) =>
    service.db.query(`UPDATE trading_accounts SET ${set} WHERE id = $1`, [account.accountId]);
  const verify = () => trader.verify(account.accountId);

  it('asks Kite, says that the session lives, and records it', async () => {
    const calls = await callsDuring(kite, async () => {
      const reply = await verify().expect(200);
      expect(reply.headers['cache-control']).toBe('no-store');
      expect(reply.body).toEqual({
        status: 'active',
        credentials_valid: true,
        last_verified_at: expect.stringMatching(TIME),
        message: expect.any(String),
      });
      const { last_verified_at: stored } = await rowOf(service, account.accountId);
      expect(reply.body.last_verified_at).toBe((stored as Date).toISOString());
    });
    expect(calls).toEqual(['GET /user/profile 200']);
    expect((await historyOf(service, account.accountId)).at(-1)).toEqual({
      type: 'trading_account.verified',
      subject: `user:${person.userId}`,
      actor: `user:${person.userId}`,
      data: { broker_user_id: account.brokerUserId },
    });
  });

  it.each(['session_expired', 'invalid'])('makes an account active that was %s', async (status) => {
    await setRow(`status = '${status}', session_expires_at = now() - interval '1 hour'`);
    const { body } = await verify().expect(200);
    expect(body).toMatchObject({ status: 'active', credentials_valid: true });
    // The old hint was wrong, and would end it again with the next minute.
    const { session_expires_at: end } = await rowOf(service, account.accountId);
    expect((end as Date).getTime()).toBeGreaterThan(Date.now());
  });

  it('notices a session that is over: one event, however often it is asked', async () => {
    kite.expireSessions();
    const { last_verified_at: before } = await rowOf(service, account.accountId);
    for (let i = 0; i < 2; i++) {
      const { body } = await verify().expect(200);
      expect(body).toEqual({
        status: 'session_expired',
        credentials_valid: false,
        last_verified_at: (before as Date).toISOString(),
        message: expect.stringContaining('log in'),
      });
    }
    expect(await typesOf(service, account.accountId)).toEqual([
      'trading_account.linked',
      'trading_account.session_expired',
    ]);
    expect((await historyOf(service, account.accountId))[1]).toMatchObject({
      actor: `user:${person.userId}`,
      data: { reason: 'refused' },
    });
  });

  it('of twenty at once, tells of the end once', async () => {
    kite.expireSessions();
    const replies = await Promise.all(Array.from({ length: 20 }, () => verify()));
    // Kite allows ten calls a second.
    expect(new Set(replies.map(({ status }) => status))).not.toContain(500);
    for (const { body } of replies.filter(({ status }) => status === 200))
      expect(body).toMatchObject({ status: 'session_expired', credentials_valid: false });
    expect(
      (await typesOf(service, account.accountId)).filter(
        (type) => type === 'trading_account.session_expired',
      ),
    ).toHaveLength(1);
  });

  const broker = () => service.app.get(KiteBroker, { strict: false });

  it('calls an app invalid that Kite refuses', async () => {
    jest.spyOn(broker(), 'profile').mockRejectedValue(new BrokerFailure('refused', 'kite: UserException'));
    const { body } = await verify().expect(200);
    expect(body).toMatchObject({ status: 'invalid', credentials_valid: false });
    expect((await historyOf(service, account.accountId)).at(-1)).toMatchObject({
      type: 'trading_account.session_expired',
      data: { reason: 'refused' },
    });
  });

  it('calls an expired account invalid that Kite refuses, without a second event', async () => {
    await setRow(`status = 'session_expired'`);
    jest.spyOn(broker(), 'profile').mockRejectedValue(new BrokerFailure('refused', 'kite: UserException'));
    await verify().expect(200, /"status":"invalid"/);
    expect(await typesOf(service, account.accountId)).toEqual(['trading_account.linked']);
  });

  it('calls an account invalid whose session belongs to another user', async () => {
    jest.spyOn(broker(), 'profile').mockResolvedValue({ brokerUserId: newKiteUser() });
    const { body } = await verify().expect(200);
    expect(body).toMatchObject({ status: 'invalid', credentials_valid: false });
    expect(await rowOf(service, account.accountId)).toMatchObject({ broker_user_id: account.brokerUserId });
  });

  it('says without a call that there is no session yet', async () => {
    const { body } = await trader.link(kite.newApp()).expect(201);
    const calls = await callsDuring(kite, async () => {
      const reply = await trader.verify(body.trading_account_id).expect(200);
      expect(reply.body).toEqual({
        status: 'pending_login',
        credentials_valid: false,
        last_verified_at: null,
        message: expect.stringContaining('log in'),
      });
    });
    expect(calls).toEqual([]);
  });

  it('says nothing of a session that another login replaces meanwhile', async () => {
    const gate = kite.hold();
    const asked = verify().then((reply) => reply);
    while (gate.held() < 1) await new Promise((resolve) => setTimeout(resolve, 10));
    await service.db.query(
      `UPDATE trading_credentials SET access_token = '\\x00' WHERE trading_account_id = $1`,
      [account.accountId],
    );
    kite.expireSessions();
    gate.release();
    const { body } = await asked;
    expect(body).toMatchObject({ status: 'active', credentials_valid: false });
    expect(await typesOf(service, account.accountId)).toEqual(['trading_account.linked']);
  });

  it('leaves the end of a session to the login that is under way', async () => {
    kite.expireSessions();
    await setRow(`turn_id = gen_random_uuid(), turn_ends_at = now() + interval '20 s'`);
    const { body } = await verify().expect(200);
    expect(body).toMatchObject({ status: 'active', credentials_valid: false });
    expect(await rowOf(service, account.accountId)).toMatchObject({ status: 'active' });
  });

  it('is for the owner and for members with manage', async () => {
    const [manager, viewer, stranger] = [
      await newVerified(service),
      await newVerified(service),
      await newVerified(service),
    ];
    await share(service, account.accountId, manager.userId, ['view', 'manage']);
    await share(service, account.accountId, viewer.userId, ['view', 'trade']);
    await new Trader(service, manager).verify(account.accountId).expect(200);
    const { actor, subject } = (await historyOf(service, account.accountId)).at(-1)!;
    expect([actor, subject]).toEqual([`user:${manager.userId}`, `user:${person.userId}`]);
    const before = await rowsOf(service, person.userId);
    const calls = await callsDuring(kite, async () => {
      const call = (by: SignedIn, id = account.accountId) => new Trader(service, by).verify(id);
      await expectProblem(call(viewer), 403, 'account_permission_denied');
      await expectProblem(call(stranger), 404, 'not_found');
      await expectProblem(call(person, newId()), 404, 'not_found');
      await expectProblem(call(await newHolder(service, ['user:read'])), 403, 'permission_denied');
    });
    expect(calls).toEqual([]);
    expect(await rowsOf(service, person.userId)).toEqual(before);
  });

  it('refuses credentials that were tampered with, and calls them invalid', async () => {
    await service.db.query(
      `UPDATE trading_credentials SET access_token = set_byte(access_token, 20, 255 - get_byte(access_token, 20))
       WHERE trading_account_id = $1`,
      [account.accountId],
    );
    await expectProblem(verify(), 409, 'credentials_damaged');
    expect(await rowOf(service, account.accountId)).toMatchObject({ status: 'invalid' });
    const token = kite.login(account.app.apiKey, account.brokerUserId);
    await trader.logIn(account.accountId, token).expect(200, /"status":"active"/);
    await verify().expect(200, /"credentials_valid":true/);
  });

  it('has no rotation under a key that was tampered with: unlinking is what is left', async () => {
    await setRow(`wrapped_data_key = set_byte(wrapped_data_key, 30, 255 - get_byte(wrapped_data_key, 30))`);
    await expectProblem(trader.rotate(account.accountId, kite.newApp()), 409, 'credentials_damaged');
    expect(await rowOf(service, account.accountId)).toMatchObject({ status: 'invalid', turn_id: null });
    await trader.unlink(account.accountId).expect(200);
  });

  it('has no login with credentials that were tampered with', async () => {
    await service.db.query(
      `UPDATE trading_credentials SET api_secret = set_byte(api_secret, 20, 255 - get_byte(api_secret, 20))
       WHERE trading_account_id = $1`,
      [account.accountId],
    );
    const token = kite.login(account.app.apiKey, account.brokerUserId);
    await expectProblem(trader.logIn(account.accountId, token), 409, 'credentials_damaged');
    const next = kite.newApp();
    const more = { request_token: kite.login(next.apiKey, account.brokerUserId) };
    await trader.rotate(account.accountId, next, more).expect(200, /"status":"active"/);
  });
});

describe('calls to the broker', () => {
  it('are limited for each user, and unlinking is not', async () => {
    const { service, kite } = await startServiceWithKite({ RATELIMIT_BROKER_CALLS: '4' });
    try {
      const trader = new Trader(service, await newVerified(service));
      const app = kite.newApp();
      const { body } = await trader.link(app).expect(201);
      const id = body.trading_account_id as string;
      await trader.rotate(id, app).expect(200);
      await trader.verify(id).expect(200);
      await trader.logIn(id, kite.login(app.apiKey, newKiteUser())).expect(200);
      await expectProblem(trader.link(kite.newApp()), 429, 'rate_limited');
      await expectProblem(trader.rotate(id, app), 429, 'rate_limited');
      await expectProblem(trader.verify(id), 429, 'rate_limited');
      await expectProblem(trader.logIn(id, kite.login(app.apiKey, 'AB1')), 429, 'rate_limited');
      await new Trader(service, await newVerified(service)).link(app).expect(201);
      await trader.unlink(id).expect(200);
    } finally {
      await service.stop();
    }
  });
});
