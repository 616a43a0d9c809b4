import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { unavailable } from '../../src/common/common.errors';
import { Events } from '../../src/infra/events/events';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { stepAt, totpCode } from '../../src/mfa/totp';
import { DataKeys } from '../../src/trading-accounts/vault/data-keys';
import { eventsOf } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { newSignedIn, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { proveTotp, turnOnTotp } from '../support/second-factor';
import { damage, shareAccount, statusOf, storeAccount, StoredAccount } from '../support/trading-accounts';
import { WHOLE_EVENTS } from '../support/whole-events';

const WITH_SECRETS = '/v1/trading-accounts?include_credentials=true';

describe('GET /v1/trading-accounts?include_credentials=true', () => {
  let service: TestService;
  let kms: Kms;
  let owner: SignedIn;
  let secret: string;
  beforeAll(async () => {
    service = await startService();
    kms = service.app.get<Kms>(KMS);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    owner = await newSignedIn(service);
    secret = await turnOnTotp(service, owner);
  });
  afterEach(() => jest.restoreAllMocks());

  const ask = (token?: string, by = owner, query = '') => {
    const test = service.client().get(WITH_SECRETS + query, by.accessToken);
    return token === undefined ? test : test.set('X-Verification-Token', token);
  };
  const prove = () => proveTotp(service, owner, secret);
  const forget = (accounts: StoredAccount[]): void =>
    accounts.forEach(({ accountId }) => service.app.get(DataKeys).forget(accountId));
  const reads = () => eventsOf(service, owner.userId, 'trading_account.credentials_read');

  it('shows an owner all secrets of their own accounts, and puts each account on record', async () => {
    const first = await storeAccount(service, owner.userId);
    const pending = await storeAccount(service, owner.userId, { status: 'pending_login' });
    const stranger = await newSignedIn(service);
    const shared = await storeAccount(service, stranger.userId);
    await shareAccount(service, shared.accountId, owner.userId, ['view', 'trade', 'manage']);

    const { body, text, headers } = await ask(await prove()).expect(200);
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toMatchObject({ total: 2, limit: 50, offset: 0, has_more: false });
    expect(
      body.items.map((item: Record<string, unknown>) => [item.trading_account_id, item.credentials]),
    ).toEqual(
      [pending, first].map(({ accountId, credentials: { apiKey, apiSecret, accessToken } }) => [
        accountId,
        { api_key: apiKey, api_secret: apiSecret, access_token: accessToken },
      ]),
    );
    expect(text).not.toContain(shared.accountId);
    expect(body.items[0]).not.toHaveProperty('credentials_error');
    const events = await service.db.query(
      `SELECT resource, actor, data, priority FROM ${WHOLE_EVENTS}
       WHERE subject = $1 AND event_type = 'trading_account.credentials_read'`,
      [`user:${owner.userId}`],
    );
    const event = (accountId: string, fields: string[]) => ({
      resource: `trading_account:${accountId}`,
      actor: `user:${owner.userId}`,
      data: { reason: 'owner', fields },
      priority: 'high',
    });
    expect(events).toHaveLength(2);
    expect(events).toEqual(
      expect.arrayContaining([
        event(pending.accountId, ['api_key', 'api_secret']),
        event(first.accountId, ['api_key', 'api_secret', 'access_token']),
      ]),
    );
  });

  it('shows, and records, the accounts of the page alone', async () => {
    const stored = [await storeAccount(service, owner.userId), await storeAccount(service, owner.userId)];
    const { body } = await ask(await prove(), owner, '&limit=1&offset=1').expect(200);
    expect(body.items).toHaveLength(1);
    expect(body.items[0].credentials.api_key).toBe(stored[0]!.credentials.apiKey);
    expect([body.total, body.has_more]).toEqual([2, false]);
    expect(await reads()).toHaveLength(1);
  });

  it('asks for a second factor', async () => {
    const without = await newSignedIn(service);
    await storeAccount(service, without.userId);
    await expectProblem(ask(undefined, without), 403, 'second_factor_required');
    await expectProblem(ask('made-up', without), 403, 'second_factor_required');
  });

  it('asks for proof of presence, good once and for its session alone', async () => {
    const { credentials } = await storeAccount(service, owner.userId);
    const refuse = async (token?: string): Promise<void> => {
      const { status, body, text } = await ask(token);
      expect([status, body.code, body.methods]).toEqual([
        403,
        'verification_required',
        ['totp', 'backup_code'],
      ]);
      expect(text).not.toContain(credentials.apiSecret);
    };
    await refuse();
    await refuse('made-up');
    const token = await prove();
    await ask(token).expect(200);
    await refuse(token);
    expect(await reads()).toHaveLength(1);
  });

  it('lets one of many at once through with one proof', async () => {
    await storeAccount(service, owner.userId);
    const token = await prove();
    const replies = await Promise.all(Array.from({ length: 8 }, () => ask(token)));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(7).fill(403)]);
    expect(await reads()).toHaveLength(1);
  });

  it('is limited to ten an hour, and wrong proofs count', async () => {
    for (let i = 0; i < 10; i++) await ask(`made-up-${i}`).expect(403);
    const token = await prove();
    const refused = await expectProblem(ask(token), 429, 'rate_limited');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3_000);
    const plain = service.client().get('/v1/trading-accounts', owner.accessToken);
    expect((await plain.expect(200)).body.items).toEqual([]);
  });

  it('hides one damaged account, and not the others', async () => {
    const [whole, damaged] = [
      await storeAccount(service, owner.userId),
      await storeAccount(service, owner.userId),
    ];
    await damage(service, damaged.accountId, 'api_secret');
    const { body } = await ask(await prove()).expect(200);
    expect(body.items[0]).toMatchObject({
      trading_account_id: damaged.accountId,
      credentials: null,
      credentials_error: 'credentials_damaged',
    });
    expect(body.items[1].credentials.api_secret).toBe(whole.credentials.apiSecret);
    expect(await statusOf(service, damaged.accountId)).toBe('invalid');
    expect(await reads()).toHaveLength(1);
    expect(await eventsOf(service, owner.userId, 'trading_account.integrity_failed')).toHaveLength(1);
  });

  it('says of an account that has lost its credentials that there are none', async () => {
    const { accountId } = await storeAccount(service, owner.userId);
    await service.db.query(`DELETE FROM trading_credentials WHERE trading_account_id = $1`, [accountId]);
    await service.db.query(`UPDATE trading_accounts SET status = 'invalid' WHERE id = $1`, [accountId]);
    const { status, body } = await ask(await prove());
    expect(status).toBe(200);
    expect(body.items[0]).toMatchObject({ credentials: null, credentials_error: 'not_found' });
  });

  it('gives nothing at all while the KMS is away, or where a read cannot be recorded', async () => {
    const { accountId, credentials } = await storeAccount(service, owner.userId);
    const token = await prove();
    service.app.get(DataKeys).forget(accountId);
    jest.spyOn(service.app.get<Kms>(KMS), 'unwrap').mockRejectedValue(unavailable());
    await expectProblem(ask(token), 503, 'unavailable');
    expect(await reads()).toEqual([]);
    jest.restoreAllMocks();
    jest.spyOn(Logger.prototype, 'error').mockReturnValue();

    service.advance(30_000);
    const code = totpCode(secret, stepAt(Date.now() + 30_000) + 1);
    const { body } = await service
      .client()
      .post('/v1/mfa/totp/verify', { code }, owner.accessToken)
      .expect(200);
    jest
      .spyOn(service.app.get(Events), 'record')
      .mockRejectedValue(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
    const { text } = await expectProblem(ask(body.verification_token), 503, 'unavailable');
    expect(text).not.toContain(credentials.apiSecret);
    service.advance(-30_000);
  });

  it('gives nothing, and puts nothing on record, where the KMS fails in the middle', async () => {
    const stored = [];
    for (let i = 0; i < 3; i++) stored.push(await storeAccount(service, owner.userId));
    const token = await prove();
    forget(stored);
    const unwrap = kms.unwrap.bind(kms);
    let unwraps = 0;
    jest
      .spyOn(kms, 'unwrap')
      .mockImplementation((...args) => (++unwraps === 2 ? Promise.reject(unavailable()) : unwrap(...args)));
    await expectProblem(ask(token), 503, 'unavailable');
    expect(await reads()).toEqual([]);
  });

  it('puts no account on record where another cannot be', async () => {
    for (let i = 0; i < 3; i++) await storeAccount(service, owner.userId);
    const token = await prove();
    const events = service.app.get(Events);
    const record = events.record.bind(events);
    let records = 0;
    jest
      .spyOn(events, 'record')
      .mockImplementation((...args) =>
        ++records === 3
          ? Promise.reject(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))
          : record(...args),
      );
    await expectProblem(ask(token), 503, 'unavailable');
    expect([records, await reads()]).toEqual([3, []]);
  });

  it('asks the KMS for a few accounts at the same time', async () => {
    const stored = [];
    for (let i = 0; i < 20; i++) stored.push(await storeAccount(service, owner.userId));
    const token = await prove();
    forget(stored);
    const unwrap = kms.unwrap.bind(kms);
    let [running, most] = [0, 0];
    jest.spyOn(kms, 'unwrap').mockImplementation(async (...args) => {
      most = Math.max(most, ++running);
      await sleep(20);
      running--;
      return unwrap(...args);
    });
    const { body } = await ask(token).expect(200);
    expect(body.items.map((item: { credentials: { api_key: string } }) => item.credentials.api_key)).toEqual(
      stored.map(({ credentials }) => credentials.apiKey).reverse(),
    );
    expect(await reads()).toHaveLength(20);
    expect(most).toBe(8);
  });

  it('has one deadline for all accounts, after which nothing is on record', async () => {
    const impatient = await service.another({ KMS_TIMEOUT_MS: '500' });
    try {
      for (let i = 0; i < 17; i++) await storeAccount(service, owner.userId);
      const token = await prove();
      const slow = impatient.app.get<Kms>(KMS);
      const unwrap = slow.unwrap.bind(slow);
      let unwraps = 0;
      jest.spyOn(slow, 'unwrap').mockImplementation(async (...args) => {
        unwraps++;
        await sleep(600);
        return unwrap(...args);
      });
      const asked = impatient.client().get(WITH_SECRETS, owner.accessToken);
      await expectProblem(asked.set('X-Verification-Token', token), 503, 'unavailable');
      await sleep(700);
      // No third round of eight.
      expect(unwraps).toBeLessThan(17);
      expect(await reads()).toEqual([]);
    } finally {
      await impatient.stop();
    }
  });

  it('takes no proof of another session', async () => {
    await storeAccount(service, owner.userId);
    const token = await prove();
    const other = await newSignedIn(service);
    await turnOnTotp(service, other);
    const { status, body } = await ask(token, other);
    expect([status, body.code]).toEqual([403, 'verification_required']);
    expect(await reads()).toEqual([]);
  });
});
