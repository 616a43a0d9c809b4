import { Injectable, Logger } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { systemCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { newId } from '../../common/ids';
import { isUnavailable } from '../../infra/unavailable';
import { SessionEndRecord } from './session-end-record';

const BATCH = 100;

interface Due {
  id: string;
  session_expires_at: Date;
}

/**
 * Notices sessions at brokers whose time is over. Any number of processes may do so at once: each account is taken by
 * one of them, in a transaction of its own, and one that fails waits for the next run without stopping the others.
 */
@Injectable()
export class ExpireSessions {
  private readonly logger = new Logger('TradingAccounts');

  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly record: SessionEndRecord,
  ) {}

  /**
   * @param signal ends the run after the account in hand.
   * @returns how many sessions this run has ended.
   * @throws Error when PostgreSQL cannot be asked.
   */
  async run(signal?: AbortSignal): Promise<number> {
    const now = this.clock.date();
    let ended = 0;
    let last: Due | undefined;
    for (;;) {
      const batch = await this.due(now, last);
      for (const { id } of batch) {
        if (signal?.aborted) return ended;
        if (await this.expire(id, now)) ended++;
      }
      last = batch.at(-1);
      if (batch.length < BATCH || !last) return ended;
    }
  }

  /** Oldest first, from where the last batch ended: what has failed there is not asked for again. */
  private async due(now: Date, after: Due | undefined): Promise<Due[]> {
    return this.db.query<Due[]>(
      `SELECT id, session_expires_at FROM trading_accounts
       WHERE status = 'active' AND session_expires_at <= $1
         AND ($2::timestamptz IS NULL OR (session_expires_at, id) > ($2, $3::uuid))
       ORDER BY session_expires_at, id LIMIT $4`,
      [now, after?.session_expires_at ?? null, after?.id ?? null, BATCH],
    );
  }

  private async expire(accountId: string, now: Date): Promise<boolean> {
    try {
      return await this.db.transaction(async (tx) => {
        const taken = await tx.query<unknown[]>(
          `SELECT FROM trading_accounts WHERE id = $1 AND status = 'active' AND session_expires_at <= $2
           FOR UPDATE SKIP LOCKED`,
          [accountId, now],
        );
        if (taken.length === 0) return false;
        return this.record.write(tx, systemCaller(newId()), accountId, {
          reason: 'expired',
          status: 'session_expired',
        });
      });
    } catch (error) {
      // One account that somebody keeps locked does not stop the run; that PostgreSQL cannot be asked does.
      if (isUnavailable(error)) await this.db.query('SELECT 1');
      this.logger.error(
        `the session of account ${accountId} could not be ended: ${(error as Error).message}`,
      );
      return false;
    }
  }
}
