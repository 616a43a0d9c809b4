import { Logger } from '@nestjs/common';
import { unavailable } from '../../src/common/common.errors';
import { newId } from '../../src/common/ids';
import { Events } from '../../src/infra/events/events';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { CredentialSets } from '../../src/trading-accounts/vault/credential-sets';
import { CredentialsVault } from '../../src/trading-accounts/vault/credentials-vault.service';
import { DataKeys } from '../../src/trading-accounts/vault/data-keys';
import { startService, TestService } from '../support/app';
import { waitingForLocks } from '../support/authority';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { newKey, newServiceAccount, withKey } from '../support/services';
import { damage, statusOf, storeAccount, StoredAccount } from '../support/trading-accounts';
import { WHOLE_EVENTS } from '../support/whole-events';

const PERMISSION = 'trading_credentials:read';
const BODY = { reason: 'place order 4711' };

describe('The hand-off of credentials', () => {
  let service: TestService;
  let admin: SignedIn;
  let owner: SignedIn;
  let router: string;
  let apiKey: string;
  let keyId: string;
  let account: StoredAccount;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
    router = await newServiceAccount(service, PERMISSION, 'trading_account:view');
    ({ apiKey, keyId } = await newKey(service, admin, router, [PERMISSION]));
    owner = await newSignedIn(service);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    account = await storeAccount(service, owner.userId);
  });
  afterEach(() => jest.restoreAllMocks());

  const path = (accountId = account.accountId) => `/v1/internal/trading-accounts/${accountId}/credentials`;
  const read = (accountId = account.accountId, body: object = BODY, key = apiKey, at = service) =>
    withKey(at.client().post(path(accountId), body), key);
  const update = (set: string) =>
    service.db.query(`UPDATE trading_accounts SET ${set} WHERE id = $1`, [account.accountId]);
  const reads = async (accountId = account.accountId) =>
    service.db.query<{ actor: string; data: object; subject: string }[]>(
      `SELECT * FROM ${WHOLE_EVENTS} WHERE resource = $1 AND event_type = 'trading_account.credentials_read'`,
      [`trading_account:${accountId}`],
    );

  it('gives a service what it needs to trade, and never the secret of the app', async () => {
    const { body, text, headers } = await read().expect(200);
    const [row] = await service.db.query(`SELECT session_expires_at FROM trading_accounts WHERE id = $1`, [
      account.accountId,
    ]);
    expect(body).toEqual({
      trading_account_id: account.accountId,
      broker: 'kite',
      broker_user_id: account.brokerUserId,
      api_key: account.credentials.apiKey,
      access_token: account.credentials.accessToken,
      session_expires_at: row.session_expires_at.toISOString(),
      status: 'active',
    });
    expect(text).not.toContain(account.credentials.apiSecret);
    expect(headers['cache-control']).toBe('no-store');
  });

  it('leaves on record who read what, of whom, and why', async () => {
    await read().expect(200);
    const events = await reads();
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      priority: 'high',
      subject: `user:${owner.userId}`,
      actor: `user:${router}`,
      data: { reason: 'place order 4711', fields: ['api_key', 'access_token'] },
      metadata: { api_key_id: keyId, user_agent: 'test-browser/1.0' },
    });
    const text = JSON.stringify(events);
    for (const secret of Object.values(account.credentials)) expect(text).not.toContain(secret);
  });

  it('waits until the record is committed', async () => {
    const runner = service.db.createQueryRunner();
    await runner.startTransaction();
    await runner.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`user:${owner.userId}`]);
    let isAnswered = false;
    const reply = read().then((it) => {
      isAnswered = true;
      return it;
    });
    await waitingForLocks(service, 1);
    expect([isAnswered, await reads()]).toEqual([false, []]);
    await runner.commitTransaction();
    await runner.release();
    expect((await reply).status).toBe(200);
    expect(await reads()).toHaveLength(1);
  });

  it('gives nothing where it cannot be recorded', async () => {
    jest
      .spyOn(service.app.get(Events), 'record')
      .mockRejectedValue(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
    const { text } = await expectProblem(read(), 503, 'unavailable');
    for (const secret of Object.values(account.credentials)) expect(text).not.toContain(secret);
  });

  it('records each of many reads at once', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => read()));
    expect(replies.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(await reads()).toHaveLength(20);
  });

  it('takes an API key: no session will do, not even that of an administrator', async () => {
    const bySession = (by: SignedIn) => service.client().post(path(), BODY, by.accessToken);
    await expectProblem(bySession(admin), 403, 'api_key_required');
    await expectProblem(bySession(owner), 403, 'permission_denied');
    expect(await reads()).toEqual([]);
  });

  it('takes a key that has the permission', async () => {
    const other = await newKey(service, admin, router, ['trading_account:view']);
    await expectProblem(read(account.accountId, BODY, other.apiKey), 403, 'permission_denied');
    await expectProblem(service.client().post(path(), BODY), 401, 'not_authenticated');
    expect(await reads()).toEqual([]);
  });

  it.each([
    ['Origin', 'https://app.example'],
    ['Origin', 'null'],
    ['Origin', ''],
    ['Sec-Fetch-Site', 'same-origin'],
    ['Sec-Fetch-Site', 'none'],
  ])('refuses a browser, which sends %s: %s', async (name, value) => {
    await expectProblem(read().set(name, value), 403, 'api_key_required');
    expect(await reads()).toEqual([]);
  });

  it.each([undefined, null, '', '  ', 'no', 'x'.repeat(201), 'two\nlines', 'nul\0nul', 7, ['why']])(
    'asks for a reason, and refuses what is none (%#)',
    async (reason) => {
      await expectInvalid(read(account.accountId, { reason }), 'reason');
      expect(await reads()).toEqual([]);
    },
  );

  it.each(['why', 'ß'.repeat(200)])(
    'takes from three to 200 characters for a reason (%#)',
    async (reason) => {
      await read(account.accountId, { reason }).expect(200);
      expect((await reads())[0]!.data).toMatchObject({ reason });
    },
  );

  it('knows no account that there is not, that is unlinked, or whose owner may not sign in', async () => {
    await expectProblem(read(newId()), 404, 'not_found');
    await expectProblem(read('4711'), 404, 'not_found');
    for (const change of [
      `status = 'suspended'`,
      `status = 'deactivated'`,
      `status = 'deleted', deleted_at = now()`,
    ]) {
      const gone = await newServiceAccount(service);
      const { accountId } = await storeAccount(service, gone);
      await read(accountId).expect(200);
      await service.db.query(`UPDATE users SET ${change} WHERE id = $1`, [gone]);
      await expectProblem(read(accountId), 404, 'not_found');
      expect(await reads(accountId)).toHaveLength(1);
    }
    await update(`status = 'unlinked', unlinked_at = now(), wrapped_data_key = NULL`);
    await expectProblem(read(), 404, 'not_found');
    expect(await reads()).toEqual([]);
  });

  it.each([
    ['is over by its status', `status = 'session_expired'`],
    ['is not to be trusted', `status = 'invalid'`],
    ['has passed its end', `session_expires_at = now()`],
  ])('gives no session that %s', async (_why, set) => {
    await update(set);
    await expectProblem(read(), 409, 'no_broker_session');
    expect(await reads()).toEqual([]);
  });

  it('gives no session before there is one', async () => {
    const { accountId } = await storeAccount(service, owner.userId, { status: 'pending_login' });
    await expectProblem(read(accountId), 409, 'no_broker_session');
    await service.db.query(`UPDATE trading_credentials SET access_token = NULL WHERE id = $1`, [
      account.setId,
    ]);
    await expectProblem(read(), 409, 'no_broker_session');
  });

  it('gives a session of which no end is known, with no end', async () => {
    await update('session_expires_at = NULL');
    expect((await read().expect(200)).body.session_expires_at).toBeNull();
  });

  it.each(['data_key', 'api_key', 'access_token'] as const)(
    'refuses a damaged %s, records the damage and no read, and takes the account out of use',
    async (part) => {
      service.app.get(DataKeys).forget(account.accountId);
      await damage(service, account.accountId, part);
      await expectProblem(read(), 409, 'credentials_damaged');
      expect(await statusOf(service, account.accountId)).toBe('invalid');
      await expectProblem(read(), 409, 'no_broker_session');
      const events = await service.db.query(
        `SELECT event_type, actor, data, metadata FROM events WHERE resource = $1`,
        [`trading_account:${account.accountId}`],
      );
      expect(events).toEqual([
        {
          event_type: 'trading_account.integrity_failed',
          actor: 'system',
          data: { part },
          metadata: expect.objectContaining({ api_key_id: keyId }),
        },
      ]);
    },
  );

  it('does not mind a damaged secret of the app, which it does not read', async () => {
    await damage(service, account.accountId, 'api_secret');
    await read().expect(200);
  });

  it('is unavailable while the KMS is, for accounts whose key is not in memory', async () => {
    service.app.get(DataKeys).forget(account.accountId);
    jest.spyOn(service.app.get<Kms>(KMS), 'unwrap').mockRejectedValue(unavailable());
    await expectProblem(read(), 503, 'unavailable');
    expect([await statusOf(service, account.accountId), await reads()]).toEqual(['active', []]);
    jest.restoreAllMocks();
    await read().expect(200);
  });

  it('is limited for each service, whichever its key, on all instances together', async () => {
    const tight = { RATELIMIT_CREDENTIALS_READS: '3', RATELIMIT_CREDENTIALS_WINDOW_MINUTES: '2' };
    const [one, other] = [await service.another(tight), await service.another(tight)];
    try {
      const newOne = () => newServiceAccount(service, PERMISSION);
      const trader = await newOne();
      const [first, second] = [
        await newKey(service, admin, trader, [PERMISSION]),
        await newKey(service, admin, trader, [PERMISSION]),
      ];
      const by = (at: TestService, key: string) => read(account.accountId, BODY, key, at);
      await by(one, first.apiKey).expect(200);
      await expectProblem(read(newId(), BODY, first.apiKey, other), 404, 'not_found');
      await by(other, first.apiKey).expect(200);
      const refused = await expectProblem(by(one, first.apiKey), 429, 'rate_limited');
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(100);
      await expectProblem(by(other, second.apiKey), 429, 'rate_limited');
      const theirs = await newKey(service, admin, await newOne(), [PERMISSION]);
      await by(one, theirs.apiKey).expect(200);
      expect(await reads()).toHaveLength(3);
    } finally {
      await one.stop();
      await other.stop();
    }
  });

  it('reads credentials whole while they are replaced over and over', async () => {
    const sessions = ['one', 'two', 'three'];
    const replace = async (): Promise<void> => {
      const [sets, vault] = [service.app.get(CredentialSets), service.app.get(CredentialsVault)];
      for (const accessToken of sessions) {
        const stored = (await sets.find(account.accountId, 'current'))!;
        const sealed = await vault.seal(stored, {
          apiKey: `key ${accessToken}`,
          apiSecret: 's',
          accessToken,
        });
        await service.db.transaction(async (tx) => {
          await sets.stage(tx, account.accountId, sealed);
          await sets.promote(tx, account.accountId, sealed.id);
        });
      }
    };
    const [replies] = await Promise.all([Promise.all(Array.from({ length: 20 }, () => read())), replace()]);
    expect(replies.map(({ status }) => status)).toEqual(Array(20).fill(200));
    const { apiKey: key, accessToken: token } = account.credentials;
    const pairs = [`${key} ${token}`, ...sessions.map((session) => `key ${session} ${session}`)];
    for (const { body } of replies) expect(pairs).toContain(`${body.api_key} ${body.access_token}`);
    expect(await statusOf(service, account.accountId)).toBe('active');
  });
});
