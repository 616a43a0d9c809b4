import { Injectable, Logger } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller, systemCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { notFound } from '../../common/common.errors';
import { newId } from '../../common/ids';
import { EventData } from '../../infra/events/event-types';
import { Events } from '../../infra/events/events';
import { credentialsDamaged } from '../trading-accounts.errors';
import { CredentialSets, StoredCredentials } from './credential-sets';
import { AccountKey } from './data-keys';
import { integrityFailures } from './vault-metrics';

export type CredentialPart = EventData['trading_account.integrity_failed']['part'];

interface LockedAccount {
  userId: string;
  wrappedDataKey: Buffer;
}

const FIELDS = { api_key: 'apiKey', api_secret: 'apiSecret', access_token: 'accessToken' } as const;

/**
 * Credentials that did not open. Looks again, under the lock of the account, whether what was read still is what is
 * stored; if so it is damaged: recorded once, and the account is out of use.
 */
@Injectable()
export class CredentialDamage {
  private readonly logger = new Logger('Vault');

  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly sets: CredentialSets,
  ) {}

  /** @returns what is stored instead of it by now. @throws credentials_damaged, not_found where nothing is. */
  async confirm(read: StoredCredentials, part: CredentialPart, caller?: Caller): Promise<StoredCredentials> {
    const now = await this.db.transaction(async (tx) => {
      const account = await lock(tx, read.accountId);
      const stored = account && (await this.sets.findById(read.accountId, read.id, tx));
      if (!stored) throw notFound();
      if (!isSame(stored.wrappedDataKey, read.wrappedDataKey)) return stored;
      if (part !== 'data_key' && !isSame(stored[FIELDS[part]], read[FIELDS[part]])) return stored;
      await this.record(tx, account, { part, accountId: read.accountId, setId: read.id, caller });
      return null;
    });
    return now ?? refuse(part);
  }

  /** As `confirm`, for a key alone. @throws credentials_damaged, not_found */
  async confirmKey(read: AccountKey, part: CredentialPart): Promise<AccountKey> {
    const { accountId } = read;
    const now = await this.db.transaction(async (tx) => {
      const account = await lock(tx, accountId);
      if (!account) throw notFound();
      if (!isSame(account.wrappedDataKey, read.wrappedDataKey)) return { accountId, ...account };
      await this.record(tx, account, { part, accountId });
      return null;
    });
    return now ?? refuse(part);
  }

  /** Of an account that is unlinked, whose last credentials these were. @throws credentials_damaged */
  async recordLast(last: StoredCredentials, part: CredentialPart, caller: Caller): Promise<never> {
    const { accountId, userId } = last;
    if (!last.isDamaged) await this.tell(this.db, { part, accountId, userId, caller });
    return refuse(part);
  }

  /**
   * Each set tells of a damage once: the next one of it is new when the set is, or its session. The account is out of
   * use, unless it has other credentials in force.
   */
  private async record(
    tx: EntityManager,
    { userId }: LockedAccount,
    found: { part: CredentialPart; accountId: string; setId?: string; caller?: Caller },
  ): Promise<void> {
    const { part, accountId } = found;
    const at = this.clock.date();
    // Nothing opens without the key.
    const damagedSet = part === 'data_key' ? null : found.setId;
    const [, marked] = await tx.query<[unknown[], number]>(
      `UPDATE trading_credentials SET damaged_at = $2
       WHERE trading_account_id = $1 AND damaged_at IS NULL AND ($3::uuid IS NULL OR id = $3)`,
      [accountId, at, damagedSet],
    );
    await tx.query(
      `UPDATE trading_accounts SET status = 'invalid', updated_at = $2
       WHERE id = $1 AND status <> 'invalid' AND NOT EXISTS
         (SELECT FROM trading_credentials WHERE trading_account_id = $1 AND state = 'current' AND id <> $3)`,
      [accountId, at, damagedSet],
    );
    if (marked > 0) await this.tell(tx, { ...found, userId });
  }

  private async tell(
    db: EntityManager,
    {
      part,
      accountId,
      userId,
      caller,
    }: { part: CredentialPart; accountId: string; userId: string; caller?: Caller },
  ): Promise<void> {
    await this.events.record(db, caller ?? systemCaller(newId()), {
      type: 'trading_account.integrity_failed',
      subject: `user:${userId}`,
      // Whoever read it has only found it.
      actor: 'system',
      resource: `trading_account:${accountId}`,
      data: { part },
    });
    this.logger.error({ trading_account_id: accountId, part }, 'Stored credentials are damaged');
  }
}

async function lock(tx: EntityManager, accountId: string): Promise<LockedAccount | undefined> {
  const [account] = await tx.query<LockedAccount[]>(
    `SELECT user_id AS "userId", coalesce(wrapped_data_key, '') AS "wrappedDataKey" FROM trading_accounts
     WHERE id = $1 AND status <> 'unlinked' FOR UPDATE`,
    [accountId],
  );
  return account;
}

const isSame = (one: Buffer | null, other: Buffer | null): boolean =>
  one === other || (one !== null && other !== null && one.equals(other));

function refuse(part: CredentialPart): never {
  integrityFailures.inc({ part });
  throw credentialsDamaged();
}
