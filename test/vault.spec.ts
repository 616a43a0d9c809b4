import { Logger } from '@nestjs/common';
import { systemCaller } from '../src/common/caller';
import { unavailable } from '../src/common/common.errors';
import { newId } from '../src/common/ids';
import { IntegrityError } from '../src/infra/kms/integrity-error';
import { KMS, Kms } from '../src/infra/kms/kms';
import { CredentialSets, StoredCredentials } from '../src/trading-accounts/vault/credential-sets';
import { CredentialsVault } from '../src/trading-accounts/vault/credentials-vault.service';
import { DataKeys } from '../src/trading-accounts/vault/data-keys';
import { eventsOf } from './support/account-rows';
import { startService, TestService } from './support/app';
import { newServiceAccount } from './support/services';
import { damage, newCredentials, statusOf, storeAccount, StoredAccount } from './support/trading-accounts';
import { WHOLE_EVENTS } from './support/whole-events';

const DAMAGED = { code: 'credentials_damaged', kind: 'conflict' };

describe('the vault', () => {
  let service: TestService;
  let vault: CredentialsVault;
  let sets: CredentialSets;
  let keys: DataKeys;
  let kms: Kms;
  let userId: string;
  let error: jest.SpyInstance;
  beforeAll(async () => {
    service = await startService();
    vault = service.app.get(CredentialsVault);
    sets = service.app.get(CredentialSets);
    keys = service.app.get(DataKeys);
    kms = service.app.get<Kms>(KMS);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    userId = await newServiceAccount(service);
    error = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
  });
  afterEach(() => jest.restoreAllMocks());

  const store = (): Promise<StoredAccount> => storeAccount(service, userId);
  const read = async ({ accountId }: StoredAccount): Promise<StoredCredentials> =>
    (await sets.find(accountId, 'current'))!;
  const failures = () => eventsOf(service, userId, 'trading_account.integrity_failed');
  const expectDamage = async (account: StoredAccount, part: string): Promise<void> => {
    await expect(vault.open(await read(account))).rejects.toMatchObject(DAMAGED);
    expect(await statusOf(service, account.accountId)).toBe('invalid');
    expect((await failures()).map(({ data }) => data)).toEqual([{ part }]);
  };
  const set = (column: string, value: Buffer, { setId }: StoredAccount) =>
    service.db.query(`UPDATE trading_credentials SET ${column} = $2 WHERE id = $1`, [setId, value]);

  it('gives back what was put in', async () => {
    const account = await store();
    expect(await vault.open(await read(account))).toEqual(account.credentials);
    expect(await vault.open(await read(account), { fields: ['accessToken'] })).toEqual({
      accessToken: account.credentials.accessToken,
    });
    expect(await failures()).toEqual([]);
  });

  it('keeps text of every language, and no login yet', async () => {
    const credentials = { apiKey: 'ключ🔑', apiSecret: '', accessToken: null };
    const account = await storeAccount(service, userId, { credentials });
    expect(await vault.open(await read(account))).toEqual(credentials);
  });

  it('stores nothing in the clear, and the same text differently each time', async () => {
    const credentials = newCredentials();
    const [one, other] = [
      await storeAccount(service, userId, { credentials }),
      await storeAccount(service, userId, { credentials }),
    ];
    const rows = [await read(one), await read(other)];
    for (const field of ['apiKey', 'apiSecret', 'accessToken'] as const) {
      expect(rows[0]![field]).not.toEqual(rows[1]![field]);
      for (const row of rows) expect(row[field]!.includes(credentials[field]!)).toBe(false);
    }
    expect(rows[0]!.wrappedDataKey).not.toEqual(rows[1]!.wrappedDataKey);
    expect(rows[0]!.apiKeyMasked).toBe(`••••••••••••${credentials.apiKey.slice(-4)}`);
  });

  it('gives a set the session of a new login', async () => {
    const account = await store();
    const sealed = await vault.sealAccessToken(await read(account), account.setId, 'new session');
    await service.db.transaction((tx) => sets.setAccessToken(tx, account.setId, sealed));
    expect((await vault.open(await read(account))).accessToken).toBe('new session');
  });

  describe('refuses, records once, and puts the account out of use when', () => {
    it.each(['api_key', 'api_secret', 'access_token', 'data_key'] as const)(
      'a bit of the %s is turned',
      async (part) => {
        const account = await store();
        await damage(service, account.accountId, part);
        await expectDamage(account, part);
      },
    );

    it('fields of a set were exchanged', async () => {
      const account = await store();
      const { apiKey, apiSecret } = await read(account);
      await set('api_key', apiSecret, account);
      await set('api_secret', apiKey, account);
      await expectDamage(account, 'api_key');
    });

    it('a field comes from another set of the same account, under the same key', async () => {
      const account = await store();
      const stored = await read(account);
      const other = await vault.seal(stored, account.credentials);
      await set('api_secret', other.apiSecret, account);
      await expectDamage(account, 'api_secret');
    });

    it('the account was given to somebody else', async () => {
      const account = await store();
      const thief = await newServiceAccount(service);
      const setOwner = (owner: string) =>
        service.db.query(`UPDATE trading_accounts SET user_id = $2 WHERE id = $1`, [
          account.accountId,
          owner,
        ]);
      await setOwner(thief);
      await expect(vault.open(await read(account))).rejects.toMatchObject(DAMAGED);
      const [event] = await eventsOf(service, thief, 'trading_account.integrity_failed');
      expect(event!.data).toEqual({ part: 'api_key' });
      expect(await statusOf(service, account.accountId)).toBe('invalid');
      await setOwner(userId);
      expect(await vault.open(await read(account))).toEqual(account.credentials);
    });

    it('a field comes from another account', async () => {
      const [account, other] = [await store(), await store()];
      await set('access_token', (await read(other)).accessToken!, account);
      await expectDamage(account, 'access_token');
      expect(await vault.open(await read(other))).toEqual(other.credentials);
    });

    it('all fields and the key come from another account', async () => {
      const [account, other] = [await store(), await store()];
      const from = await read(other);
      await set('api_key', from.apiKey, account);
      await set('api_secret', from.apiSecret, account);
      await set('access_token', from.accessToken!, account);
      await service.db.query(`UPDATE trading_accounts SET wrapped_data_key = $2 WHERE id = $1`, [
        account.accountId,
        from.wrappedDataKey,
      ]);
      await expectDamage(account, 'data_key');
    });

    it('a set was moved to another account', async () => {
      const [account, other] = [await store(), await store()];
      await service.db.query(`DELETE FROM trading_credentials WHERE id = $1`, [account.setId]);
      await service.db.query(`UPDATE trading_credentials SET trading_account_id = $2 WHERE id = $1`, [
        other.setId,
        account.accountId,
      ]);
      await expectDamage(account, 'api_key');
    });

    it('the data key was removed, or cut', async () => {
      const [removed, cut] = [await store(), await store()];
      await service.db.query(`UPDATE trading_accounts SET wrapped_data_key = NULL WHERE id = $1`, [
        removed.accountId,
      ]);
      await expectDamage(removed, 'data_key');
      await service.db.query(
        `UPDATE trading_accounts SET wrapped_data_key = substr(wrapped_data_key, 1, 20) WHERE id = $1`,
        [cut.accountId],
      );
      await expect(vault.open(await read(cut))).rejects.toMatchObject(DAMAGED);
      expect(await failures()).toHaveLength(2);
    });

    it('its first login has not come yet', async () => {
      const account = await storeAccount(service, userId, { status: 'pending_login' });
      await damage(service, account.accountId, 'api_secret');
      const staged = (await sets.find(account.accountId, 'staged'))!;
      await expect(vault.open(staged)).rejects.toMatchObject(DAMAGED);
      expect(await statusOf(service, account.accountId)).toBe('invalid');
    });

    it('something is to be sealed under a damaged key', async () => {
      const account = await store();
      await damage(service, account.accountId, 'data_key');
      const stored = await read(account);
      await expect(vault.seal(stored, newCredentials())).rejects.toMatchObject(DAMAGED);
      await expect(vault.sealAccessToken(stored, account.setId, 'x')).rejects.toMatchObject(DAMAGED);
      expect((await failures()).map(({ data }) => data)).toEqual([{ part: 'data_key' }]);
      expect(await statusOf(service, account.accountId)).toBe('invalid');
    });
  });

  it('refuses a field with any one bit turned, and one cut to any length', async () => {
    const account = await storeAccount(service, userId, { credentials: { apiKey: 'k3y' } });
    const stored = await read(account);
    const open = (apiKey: Buffer) => vault.open({ ...stored, apiKey }, { fields: ['apiKey'] });
    // What is stored is another thing than what this reads: it is read again, and opens.
    jest.spyOn(sets, 'findById').mockImplementation(async () => null);
    for (let bit = 0; bit < stored.apiKey.length * 8; bit++) {
      const turned = Buffer.from(stored.apiKey);
      turned[bit >> 3]! ^= 1 << (bit & 7);
      await expect(open(turned)).rejects.toMatchObject({ code: 'not_found' });
    }
    for (let length = 0; length < stored.apiKey.length; length++)
      await expect(open(stored.apiKey.subarray(0, length))).rejects.toMatchObject({ code: 'not_found' });
    await expect(open(Buffer.concat([stored.apiKey, Buffer.of(0)]))).rejects.toMatchObject({
      code: 'not_found',
    });
    expect(await open(stored.apiKey)).toEqual({ apiKey: 'k3y' });
  });

  it('records one damage once, however often and however many read it at the same time', async () => {
    const account = await store();
    await damage(service, account.accountId);
    const stored = await read(account);
    const reads = await Promise.allSettled(
      Array.from({ length: 20 }, () => vault.open(stored, { fields: ['accessToken'] })),
    );
    expect(reads.map((it) => it.status === 'rejected' && (it.reason as { code: string }).code)).toEqual(
      Array(20).fill('credentials_damaged'),
    );
    for (let i = 0; i < 5; i++) await expect(vault.open(stored)).rejects.toMatchObject(DAMAGED);
    expect(await failures()).toHaveLength(1);
    expect(error.mock.calls).toEqual([
      [{ trading_account_id: account.accountId, part: 'access_token' }, 'Stored credentials are damaged'],
    ]);
  });

  it('records a damage anew when new credentials, or a new session, are damaged again', async () => {
    const account = await store();
    await damage(service, account.accountId);
    await expectDamage(account, 'access_token');
    const sealed = await vault.sealAccessToken(await read(account), account.setId, 'new session');
    await service.db.transaction((tx) => sets.setAccessToken(tx, account.setId, sealed));
    expect((await vault.open(await read(account))).accessToken).toBe('new session');
    await damage(service, account.accountId);
    await expect(vault.open(await read(account))).rejects.toMatchObject(DAMAGED);
    expect(await failures()).toHaveLength(2);
  });

  it('tells in the event which account it was, that the service found it, and by whose request', async () => {
    const account = await store();
    await damage(service, account.accountId);
    const caller = { ...systemCaller('request-1'), ip: '10.1.2.3', userId, actor: undefined };
    await expect(vault.open(await read(account), { caller })).rejects.toMatchObject(DAMAGED);
    const [event] = await service.db.query(`SELECT * FROM ${WHOLE_EVENTS} WHERE resource = $1`, [
      `trading_account:${account.accountId}`,
    ]);
    expect(event).toMatchObject({
      event_type: 'trading_account.integrity_failed',
      priority: 'critical',
      subject: `user:${userId}`,
      actor: 'system',
      metadata: { request_id: 'request-1', ip: '10.1.2.3', user_agent: null },
    });
  });

  it('counts every refusal by the part that is damaged', async () => {
    const count = async (): Promise<number> => {
      const { text } = await service.client().get('/metrics');
      const [, value] =
        /user_service_credential_integrity_failures_total\{part="api_secret"\} (\d+)/.exec(text) ?? [];
      return Number(value);
    };
    const before = await count();
    const account = await store();
    await damage(service, account.accountId, 'api_secret');
    const stored = await read(account);
    for (let i = 0; i < 3; i++) await expect(vault.open(stored)).rejects.toMatchObject(DAMAGED);
    expect(await count()).toBe(before + 3);
  });

  describe('does not call it damage when', () => {
    it('the key was wrapped anew after the read, and the old one does not unwrap any more', async () => {
      const account = await store();
      const stale = await read(account);
      const context = `trading-account:${account.accountId}`;
      const plain = await kms.unwrap(stale.wrappedDataKey, context);
      await service.db.query(`UPDATE trading_accounts SET wrapped_data_key = $2 WHERE id = $1`, [
        account.accountId,
        await kms.wrap(plain, context),
      ]);
      keys.forget(account.accountId);
      const unwrap = kms.unwrap.bind(kms);
      jest.spyOn(kms, 'unwrap').mockImplementation(async (wrapped, about) => {
        if (Buffer.from(wrapped).equals(stale.wrappedDataKey)) throw new IntegrityError('the wrapped secret');
        return unwrap(wrapped, about);
      });
      expect(await vault.open(stale)).toEqual(account.credentials);
      expect(await vault.sealAccessToken(stale, account.setId, 'x')).toBeInstanceOf(Buffer);
      expect([await failures(), await statusOf(service, account.accountId)]).toEqual([[], 'active']);
    });

    it('the session was replaced after the read', async () => {
      const account = await store();
      const stored = await read(account);
      const accessToken = Buffer.from(stored.accessToken!);
      accessToken[20]! ^= 1;
      expect(await vault.open({ ...stored, accessToken })).toEqual(account.credentials);
      expect(await failures()).toEqual([]);
    });

    it('the set, or the account, is gone by now', async () => {
      const [rotated, unlinked] = [await store(), await store()];
      await damage(service, rotated.accountId);
      await damage(service, unlinked.accountId);
      const stale = [await read(rotated), await read(unlinked)];
      await service.db.query(`DELETE FROM trading_credentials WHERE id = $1`, [rotated.setId]);
      await service.db.transaction((tx) => sets.destroy(tx, unlinked.accountId));
      await service.db.query(
        `UPDATE trading_accounts SET status = 'unlinked', unlinked_at = now() WHERE id = $1`,
        [unlinked.accountId],
      );
      for (const stored of stale)
        await expect(vault.open(stored)).rejects.toMatchObject({ code: 'not_found' });
      expect(await failures()).toEqual([]);
    });

    it('the set belongs to another account, whose credentials it does not open either', async () => {
      const [account, other] = [await store(), await store()];
      const move = (to: StoredAccount) =>
        service.db.query(`UPDATE trading_credentials SET trading_account_id = $2 WHERE id = $1`, [
          other.setId,
          to.accountId,
        ]);
      await service.db.query(`DELETE FROM trading_credentials WHERE id = $1`, [account.setId]);
      await move(account);
      const moved = await read(account);
      await move(other);
      await expect(vault.open(moved)).rejects.toMatchObject({ code: 'not_found' });
      expect(await vault.open(await read(other))).toEqual(other.credentials);
      expect(await failures()).toEqual([]);
    });

    it('it changes faster than it can be read', async () => {
      const account = await store();
      const stored = await read(account);
      const turned = Buffer.from(stored.accessToken!);
      turned[20]! ^= 1;
      let reads = 0;
      jest.spyOn(sets, 'findById').mockImplementation(async () => {
        const accessToken = Buffer.from(turned);
        accessToken[21] = ++reads;
        return { ...stored, accessToken };
      });
      await expect(vault.open({ ...stored, accessToken: turned })).rejects.toMatchObject({
        code: 'unavailable',
      });
      expect([reads, await failures()]).toEqual([3, []]);
    });

    it('the KMS is away: it answers 503, and from memory while that is warm', async () => {
      const [warm, cold] = [await store(), await store()];
      const stored = { warm: await read(warm), cold: await read(cold) };
      keys.forget(cold.accountId);
      await vault.open(stored.warm);
      const unwrap = jest.spyOn(kms, 'unwrap').mockRejectedValue(unavailable());
      jest.spyOn(kms, 'wrap').mockRejectedValue(unavailable());
      expect(await vault.open(stored.warm)).toEqual(warm.credentials);
      await expect(vault.open(stored.cold)).rejects.toMatchObject({ code: 'unavailable' });
      await expect(vault.seal(stored.cold, cold.credentials)).rejects.toMatchObject({ code: 'unavailable' });
      await expect(vault.newKey(newId(), userId)).rejects.toMatchObject({ code: 'unavailable' });
      service.advance(60_000);
      await expect(vault.open(stored.warm)).rejects.toMatchObject({ code: 'unavailable' });
      expect(await failures()).toEqual([]);
      expect([await statusOf(service, warm.accountId), await statusOf(service, cold.accountId)]).toEqual([
        'active',
        'active',
      ]);
      unwrap.mockRestore();
      expect(await vault.open(stored.cold)).toEqual(cold.credentials);
    });
  });
});
