import { randomBytes } from 'node:crypto';
import { newId } from '../../src/common/ids';
import { AccountPermission, AccountStatus } from '../../src/trading-accounts/trading-account';
import { CredentialSets } from '../../src/trading-accounts/vault/credential-sets';
import { Credentials, CredentialsVault } from '../../src/trading-accounts/vault/credentials-vault.service';
import { TestService } from './app';

/** An account as it rests, without a broker behind it. */
export interface StoredAccount {
  accountId: string;
  /** Of its credentials. */
  setId: string;
  credentials: Credentials;
  brokerUserId: string | null;
}

export interface AccountWish {
  status?: Exclude<AccountStatus, 'unlinked'>;
  credentials?: Partial<Credentials>;
  brokerUserId?: string;
  nickname?: string;
  preferences?: Record<string, unknown>;
  /** Default: in twelve hours. */
  sessionExpiresAt?: Date | null;
}

export const newCredentials = (): Credentials => ({
  apiKey: randomBytes(8).toString('hex'),
  apiSecret: randomBytes(16).toString('hex'),
  accessToken: randomBytes(16).toString('hex'),
});

let kiteUsers = 0;

/** Puts an account and its credentials where a link and a login would have put them; `active` unless told otherwise. */
export async function storeAccount(
  service: TestService,
  userId: string,
  wish: AccountWish = {},
): Promise<StoredAccount> {
  const isPending = wish.status === 'pending_login';
  const credentials = {
    ...newCredentials(),
    ...(isPending && { accessToken: null }),
    ...wish.credentials,
  };
  const vault = service.app.get(CredentialsVault);
  const key = await vault.newKey(newId(), userId);
  const sealed = await vault.seal(key, credentials);
  const brokerUserId = isPending ? null : (wish.brokerUserId ?? `XY${String(++kiteUsers).padStart(4, '0')}`);
  const sets = service.app.get(CredentialSets);
  await service.db.transaction(async (tx) => {
    const loggedIn = isPending ? null : new Date();
    await tx.query(
      `INSERT INTO trading_accounts
         (id, user_id, broker, broker_user_id, nickname, preferences, status, created_at, updated_at, linked_at,
          last_verified_at, session_expires_at, wrapped_data_key)
       VALUES ($1, $2, 'kite', $3, $4, $5, $6, now(), now(), $7, $7, $8, $9)`,
      [
        key.accountId,
        userId,
        brokerUserId,
        wish.nickname ?? null,
        JSON.stringify(wish.preferences ?? {}),
        wish.status ?? 'active',
        loggedIn,
        wish.sessionExpiresAt === undefined
          ? loggedIn && new Date(Date.now() + 43_200_000)
          : wish.sessionExpiresAt,
        key.wrappedDataKey,
      ],
    );
    await sets.stage(tx, key.accountId, sealed);
    if (!isPending) await sets.promote(tx, key.accountId, sealed.id);
  });
  return { accountId: key.accountId, setId: sealed.id, credentials, brokerUserId };
}

/** Has somebody share an account, as its owner would. @returns the membership's id. */
export async function shareAccount(
  service: TestService,
  accountId: string,
  userId: string,
  permissions: AccountPermission[],
  expiresAt: Date | null = null,
): Promise<string> {
  const id = newId();
  await service.db.query(
    `INSERT INTO trading_account_members
       (id, trading_account_id, user_id, permissions, granted_by, created_at, expires_at)
     VALUES ($1, $2, $3, $4, 'system', now(), $5)`,
    [id, accountId, userId, permissions, expiresAt],
  );
  return id;
}

/** Turns the last bit of a field of an account's credentials, or of its data key. */
export async function damage(
  service: TestService,
  accountId: string,
  part: 'data_key' | 'api_key' | 'api_secret' | 'access_token' = 'access_token',
): Promise<void> {
  const [table, column, id] =
    part === 'data_key'
      ? ['trading_accounts', 'wrapped_data_key', 'id']
      : ['trading_credentials', part, 'trading_account_id'];
  await service.db.query(
    `UPDATE ${table} SET ${column} =
       set_bit(${column}, length(${column}) * 8 - 1, 1 - get_bit(${column}, length(${column}) * 8 - 1))
     WHERE ${id} = $1`,
    [accountId],
  );
}

/** Status of an account as it rests. */
export async function statusOf(service: TestService, accountId: string): Promise<AccountStatus> {
  const [row] = await service.db.query<{ status: AccountStatus }[]>(
    `SELECT status FROM trading_accounts WHERE id = $1`,
    [accountId],
  );
  return row!.status;
}
