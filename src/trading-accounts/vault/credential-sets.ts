import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';

export type CredentialState = 'staged' | 'current';

/** Credentials as they rest: each field under the account's data key, bound to its place. */
export interface SealedCredentials {
  /** Of the set, not of the account. */
  id: string;
  apiKey: Buffer;
  apiSecret: Buffer;
  accessToken: Buffer | null;
  apiKeyMasked: string;
}

/** A set with the key that opens it: all that `CredentialsVault.open` needs. */
export interface StoredCredentials extends SealedCredentials {
  accountId: string;
  /** The account's owner. */
  userId: string;
  wrappedDataKey: Buffer;
  state: CredentialState;
  /** Whether it was found that one of them is not what was stored. */
  isDamaged: boolean;
}

/** Those of `StoredCredentials`, for questions that ask for more. A key that somebody has removed is an empty one. */
export const STORED_COLUMNS = `
  credentials.id, credentials.api_key AS "apiKey", credentials.api_secret AS "apiSecret",
  credentials.access_token AS "accessToken", credentials.api_key_masked AS "apiKeyMasked", credentials.state,
  credentials.damaged_at IS NOT NULL AS "isDamaged",
  account.id AS "accountId", account.user_id AS "userId", coalesce(account.wrapped_data_key, '') AS "wrappedDataKey"`;

const STORED = `
  SELECT ${STORED_COLUMNS}
  FROM trading_credentials credentials JOIN trading_accounts account ON account.id = trading_account_id
  WHERE account.status <> 'unlinked'`;

/**
 * The rows of credentials. An account has at most one set in force and one that is staged. Methods that change
 * something join the caller's transaction, which has locked the account's row.
 */
@Injectable()
export class CredentialSets {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
  ) {}

  /** Null where there is none, or the account is unlinked. */
  async find(
    accountId: string,
    state: CredentialState,
    tx: EntityManager = this.db,
  ): Promise<StoredCredentials | null> {
    const [row] = await tx.query<StoredCredentials[]>(
      `${STORED} AND trading_account_id = $1 AND state = $2`,
      [accountId, state],
    );
    return row ?? null;
  }

  /** A set by its own id; null where it is another account's. */
  async findById(
    accountId: string,
    setId: string,
    tx: EntityManager = this.db,
  ): Promise<StoredCredentials | null> {
    const [row] = await tx.query<StoredCredentials[]>(
      `${STORED} AND trading_account_id = $1 AND credentials.id = $2`,
      [accountId, setId],
    );
    return row ?? null;
  }

  /** Puts a set in wait, in place of one that waits already. */
  async stage(tx: EntityManager, accountId: string, sealed: SealedCredentials): Promise<void> {
    await tx.query(`DELETE FROM trading_credentials WHERE trading_account_id = $1 AND state = 'staged'`, [
      accountId,
    ]);
    await tx.query(
      `INSERT INTO trading_credentials
         (id, trading_account_id, state, api_key, api_secret, access_token, api_key_masked, created_at)
       VALUES ($1, $2, 'staged', $3, $4, $5, $6, $7)`,
      [
        sealed.id,
        accountId,
        sealed.apiKey,
        sealed.apiSecret,
        sealed.accessToken,
        sealed.apiKeyMasked,
        this.clock.date(),
      ],
    );
  }

  /** Puts the staged set in force; the one before it is gone. @returns false where this set does not wait any more. */
  async promote(tx: EntityManager, accountId: string, setId: string): Promise<boolean> {
    const staged = await tx.query<unknown[]>(
      `SELECT FROM trading_credentials WHERE id = $1 AND trading_account_id = $2 AND state = 'staged'`,
      [setId, accountId],
    );
    if (staged.length === 0) return false;
    await tx.query(`DELETE FROM trading_credentials WHERE trading_account_id = $1 AND state = 'current'`, [
      accountId,
    ]);
    await tx.query(`UPDATE trading_credentials SET state = 'current' WHERE id = $1`, [setId]);
    return true;
  }

  /** Gives a set the session of a new login. @returns false where the set is gone. */
  async setAccessToken(tx: EntityManager, setId: string, sealed: Buffer): Promise<boolean> {
    const [, count] = await tx.query<[unknown[], number]>(
      `UPDATE trading_credentials SET access_token = $2, damaged_at = NULL WHERE id = $1`,
      [setId, sealed],
    );
    return count === 1;
  }

  /** Destroys every credential of an account, and the key to what copies of them there may be. */
  async destroy(tx: EntityManager, accountId: string): Promise<void> {
    await tx.query(`DELETE FROM trading_credentials WHERE trading_account_id = $1`, [accountId]);
    await tx.query(`UPDATE trading_accounts SET wrapped_data_key = NULL WHERE id = $1`, [accountId]);
  }
}
