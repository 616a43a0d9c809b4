import { Injectable, Logger } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { isUnavailable } from '../infra/unavailable';
import { PurgeRecord } from './purge-record';

export const PURGE_AFTER_DAYS = 30;
const DAY = 86_400_000;
const BATCH = 100;

interface Due {
  id: string;
  /** As PostgreSQL writes it: a `Date` would drop the microseconds. */
  deleted_at: string;
}

/**
 * Erases the personal data of accounts that were deleted 30 days ago. Any number of processes may do so at once: each
 * account is taken by one of them, and one that fails waits for the next run without stopping the others.
 */
@Injectable()
export class PurgeDeleted {
  private readonly logger = new Logger('Purge');

  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly record: PurgeRecord,
  ) {}

  /**
   * @param signal ends the run after the account in hand, or the batch of its events.
   * @returns how many accounts this run has erased.
   * @throws Error when PostgreSQL cannot be asked.
   */
  async run(signal?: AbortSignal): Promise<number> {
    const before = new Date(this.clock.now() - PURGE_AFTER_DAYS * DAY);
    let purged = 0;
    let last: Due | undefined;
    for (;;) {
      const batch = await this.due(before, last);
      for (const { id } of batch) {
        if (signal?.aborted) return purged;
        if (await this.purge(id, before, signal)) purged++;
      }
      last = batch.at(-1);
      if (batch.length < BATCH || !last) return purged;
    }
  }

  /** Oldest first, from where the last batch ended: what has failed there is not asked for again. */
  private async due(before: Date, after: Due | undefined): Promise<Due[]> {
    return this.db.query<Due[]>(
      `SELECT id, deleted_at::text FROM users
       WHERE deleted_at IS NOT NULL AND purged_at IS NULL AND deleted_at <= $1
         AND ($2::timestamptz IS NULL OR (users.deleted_at, id) > ($2, $3::uuid))
       ORDER BY users.deleted_at, id LIMIT $4`,
      [before, after?.deleted_at ?? null, after?.id ?? null, BATCH],
    );
  }

  private async purge(userId: string, before: Date, signal?: AbortSignal): Promise<boolean> {
    try {
      return await this.record.write(userId, before, signal);
    } catch (error) {
      // Throws while PostgreSQL is away; what it could not do in time for one account holds up no other.
      if (isUnavailable(error)) await this.db.query('SELECT 1');
      this.logger.error(`account ${userId} could not be purged: ${(error as Error).message}`);
      return false;
    }
  }
}
