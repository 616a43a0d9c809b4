import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../../authz/authority.service';
import { IdentifiedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { notFound } from '../../common/common.errors';
import { newId } from '../../common/ids';
import { CONFIG, Config } from '../../config/config';
import { isUnavailable } from '../../infra/unavailable';
import { Brokers } from '../brokers/brokers.service';
import { lockOwner } from '../owner-lock';
import { AccountStatus } from '../trading-account';
import { brokerCallInProgress } from '../trading-accounts.errors';

/** How often a login asks the KMS, and what the stores may take. */
const KMS_CALLS = 3;
const STORES_MS = 15_000;

/** An account whose login is in the hands of one call, as it was when that call began. */
export interface Turn {
  id: string;
  accountId: string;
  /** The owner. */
  userId: string;
  broker: string;
  brokerUserId: string | null;
  status: AccountStatus;
  wrappedDataKey: Buffer;
}

const COLUMNS = `turn_id AS id, id AS "accountId", user_id AS "userId", broker, broker_user_id AS "brokerUserId",
  status, coalesce(wrapped_data_key, '') AS "wrappedDataKey"`;

/**
 * One login or rotation of an account at a time: two at once could store the older session over the newer one, which has
 * replaced it at the broker. No transaction is open while the broker is asked, so the turn is a mark in the account's
 * row. It ends by itself when its process has died. An unlink waits for none: it takes the mark away, and the call that
 * had it finds nothing to complete.
 */
@Injectable()
export class Turns {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly brokers: Brokers,
    private readonly authority: Authority,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** When a turn that begins now is given up for dead. */
  end(): Date {
    const lifeMs = this.brokers.longestCallMs + KMS_CALLS * this.config.KMS_TIMEOUT_MS + STORES_MS;
    return new Date(this.clock.now() + lifeMs);
  }

  /** @throws broker_call_in_progress, not_found */
  async take(accountId: string): Promise<Turn> {
    const [taken] = await this.db.query<[Turn[], number]>(
      `UPDATE trading_accounts SET turn_id = $2, turn_ends_at = $3
       WHERE id = $1 AND status <> 'unlinked' AND (turn_id IS NULL OR turn_ends_at <= $4) RETURNING ${COLUMNS}`,
      [accountId, newId(), this.end(), this.clock.date()],
    );
    if (taken[0]) return taken[0];
    const living = await this.db.query<unknown[]>(
      `SELECT FROM trading_accounts WHERE id = $1 AND status <> 'unlinked'`,
      [accountId],
    );
    throw living.length > 0 ? brokerCallInProgress() : notFound();
  }

  /**
   * Runs what needs the turn. What completes it ends the turn in its own transaction; where it fails, it ends here.
   * @throws broker_call_in_progress, not_found, and what `work` throws.
   */
  async during<T>(accountId: string, work: (turn: Turn) => Promise<T>): Promise<T> {
    const turn = await this.take(accountId);
    try {
      return await work(turn);
    } catch (error) {
      const given = this.giveBack(turn).catch(() => {});
      // While PostgreSQL is away nobody waits for it a second time. The turn ends by itself.
      if (!isUnavailable(error)) await given;
      throw error;
    }
  }

  /**
   * Locks the owner and the account for what completes a turn: nobody links a second account for the same owner meanwhile.
   * @throws not_authenticated, permission_denied where the caller would not be let in any more; not_found where the
   * account was unlinked meanwhile; broker_call_in_progress where another has the turn by now.
   */
  async lock(tx: EntityManager, caller: IdentifiedCaller, { id, accountId, userId }: Turn): Promise<Turn> {
    await lockOwner(tx, userId);
    await this.authority.requireNow(tx, caller, []);
    const [account] = await tx.query<Turn[]>(
      `SELECT ${COLUMNS} FROM trading_accounts WHERE id = $1 AND status <> 'unlinked' FOR UPDATE`,
      [accountId],
    );
    if (!account) throw notFound();
    if (account.id !== id) throw brokerCallInProgress();
    return account;
  }

  async giveBack({ id, accountId }: Turn): Promise<void> {
    await this.db.query(
      `UPDATE trading_accounts SET turn_id = NULL, turn_ends_at = NULL WHERE id = $1 AND turn_id = $2`,
      [accountId, id],
    );
  }
}
