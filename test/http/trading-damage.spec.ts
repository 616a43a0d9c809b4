import { Logger } from '@nestjs/common';
import { DataKeys } from '../../src/trading-accounts/vault/data-keys';
import { eventsOf } from '../support/account-rows';
import { TestService } from '../support/app';
import { KiteWorld, linkAccount, newKiteUser, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { damage, statusOf } from '../support/trading-accounts';

const ACCOUNTS = '/v1/trading-accounts';

/** What an owner can do about credentials that somebody, or something, has changed in the database. */
describe('A trading account with damaged credentials', () => {
  let service: TestService;
  let kite: KiteWorld['kite'];
  let owner: SignedIn;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite());
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    owner = await newVerified(service);
  });
  afterEach(() => jest.restoreAllMocks());

  const post = (path: string, body: object) =>
    service.client().post(`${ACCOUNTS}/${path}`, body, owner.accessToken);
  const get = (path: string) => service.client().get(`${ACCOUNTS}/${path}`, owner.accessToken);
  const types = async () => (await eventsOf(service, owner.userId)).map(({ type }) => type);
  const rotation = (userId: string) => {
    const app = kite.newApp();
    const { apiKey: api_key, apiSecret: api_secret } = app;
    return { api_key, api_secret, request_token: kite.login(api_key, userId) };
  };
  async function linkPending(): Promise<string> {
    const { apiKey: api_key, apiSecret: api_secret } = kite.newApp();
    const { body } = await post('link', { broker: 'kite', api_key, api_secret }).expect(201);
    return body.trading_account_id;
  }

  it('is whole again after a login, where the session alone was damaged', async () => {
    const { accountId, app, brokerUserId } = await linkAccount(service, kite, owner);
    await damage(service, accountId, 'access_token');
    await expectProblem(post(`${accountId}/verify`, {}), 409, 'credentials_damaged');
    expect((await get(`${accountId}/status`).expect(200)).body).toMatchObject({
      status: 'invalid',
      credentials_valid: false,
    });
    const request_token = kite.login(app.apiKey, brokerUserId);
    const { body } = await post(`${accountId}/session`, { request_token }).expect(200);
    expect(body.status).toBe('active');
    expect((await post(`${accountId}/verify`, {}).expect(200)).body.credentials_valid).toBe(true);
  });

  it('is whole again after a rotation, where the key or the secret of the app was damaged', async () => {
    const { accountId, app, brokerUserId } = await linkAccount(service, kite, owner);
    await damage(service, accountId, 'api_secret');
    const request_token = kite.login(app.apiKey, brokerUserId);
    await expectProblem(post(`${accountId}/session`, { request_token }), 409, 'credentials_damaged');
    const { body } = await post(`${accountId}/rotate-credentials`, rotation(brokerUserId)).expect(200);
    expect(body.status).toBe('active');
    expect((await post(`${accountId}/verify`, {}).expect(200)).body.credentials_valid).toBe(true);
  });

  it('is not whole because its session lives at the broker', async () => {
    const { accountId, app, brokerUserId } = await linkAccount(service, kite, owner);
    await damage(service, accountId, 'api_secret');
    const logIn = () => post(`${accountId}/session`, { request_token: kite.login(app.apiKey, brokerUserId) });
    await expectProblem(logIn(), 409, 'credentials_damaged');
    await expectProblem(post(`${accountId}/verify`, {}), 409, 'credentials_damaged');
    expect(await statusOf(service, accountId)).toBe('invalid');
    // Should anything have made it active: it is out of use again with the next refusal, and told of once.
    await service.db.query(`UPDATE trading_accounts SET status = 'active' WHERE id = $1`, [accountId]);
    await expectProblem(post(`${accountId}/verify`, {}), 409, 'credentials_damaged');
    await expectProblem(logIn(), 409, 'credentials_damaged');
    expect(await statusOf(service, accountId)).toBe('invalid');
    expect((await types()).filter((type) => type === 'trading_account.integrity_failed')).toHaveLength(1);
  });

  it('goes on with the credentials in force, where those were damaged that wait', async () => {
    const { accountId, app, brokerUserId } = await linkAccount(service, kite, owner);
    const { apiKey: api_key, apiSecret: api_secret } = kite.newApp();
    await post(`${accountId}/rotate-credentials`, { api_key, api_secret }).expect(200);
    await service.db.query(
      `UPDATE trading_credentials SET api_key = '\\x0102' WHERE trading_account_id = $1 AND state = 'staged'`,
      [accountId],
    );
    for (let i = 0; i < 2; i++) {
      const { body } = await get(accountId).expect(200);
      expect(body).toMatchObject({ status: 'active', rotation_pending: true });
      expect(body).not.toHaveProperty('rotation_login_url');
    }
    expect((await types()).filter((type) => type === 'trading_account.integrity_failed')).toHaveLength(1);
    const request_token = kite.login(app.apiKey, brokerUserId);
    await expectProblem(post(`${accountId}/session`, { request_token }), 409, 'credentials_damaged');
    await post(`${accountId}/session`, { request_token, use: 'current' }).expect(200);
    const again = kite.newApp();
    await post(`${accountId}/rotate-credentials`, {
      api_key: again.apiKey,
      api_secret: again.apiSecret,
    }).expect(200, /rotation_login_url/);
  });

  it('can only be unlinked where its data key was damaged, and linked again', async () => {
    const { accountId, brokerUserId } = await linkAccount(service, kite, owner);
    service.app.get(DataKeys).forget(accountId);
    await damage(service, accountId, 'data_key');
    const rotate = post(`${accountId}/rotate-credentials`, rotation(brokerUserId));
    await expectProblem(rotate, 409, 'credentials_damaged');
    expect(await statusOf(service, accountId)).toBe('invalid');
    await service.client().delete(`${ACCOUNTS}/${accountId}`, owner.accessToken).expect(200);
    const again = await linkAccount(service, kite, owner, { userId: brokerUserId });
    expect(await statusOf(service, again.accountId)).toBe('active');
  });

  it('that waits for its first login is linked by that of new credentials', async () => {
    const accountId = await linkPending();
    await damage(service, accountId, 'api_secret');
    await expectProblem(
      post(`${accountId}/session`, { request_token: 'made-up-token' }),
      409,
      'credentials_damaged',
    );
    expect((await get(accountId).expect(200)).body).toMatchObject({
      status: 'invalid',
      broker_user_id: null,
    });
    const userId = newKiteUser();
    const { body } = await post(`${accountId}/rotate-credentials`, rotation(userId)).expect(200);
    expect(body).toMatchObject({ status: 'active', broker_user_id: userId });
    expect(await types()).toEqual(expect.arrayContaining(['trading_account.linked']));
  });

  it('that waits for its first login does not become a second account of the same user', async () => {
    const { accountId: first, brokerUserId } = await linkAccount(service, kite, owner);
    const accountId = await linkPending();
    await damage(service, accountId, 'api_secret');
    await post(`${accountId}/session`, { request_token: 'made-up-token' }).expect(409);
    const { status, body } = await post(`${accountId}/rotate-credentials`, rotation(brokerUserId));
    expect([status, body.code, body.trading_account_id]).toEqual([409, 'trading_account_exists', first]);
    expect(await statusOf(service, accountId)).toBe('invalid');
  });
});
