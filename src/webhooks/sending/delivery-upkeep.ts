import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';
import { advisoryLocks } from '../../infra/database/advisory-locks';
import { FleetJobs } from '../../infra/jobs/fleet-jobs';

const DAY_MS = 86_400_000;
const BATCH = 500;
/** For how many days finished deliveries can be looked at. */
export const KEPT_DAYS = { delivered: 3, dead: 30 } as const;

/** Deletes finished deliveries when they are old, and gives up those of webhooks that are disabled. Each hour. */
@Injectable()
export class DeliveryUpkeep {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    jobs: FleetJobs,
  ) {
    jobs.add({
      name: 'webhook_deliveries',
      lock: advisoryLocks.webhookDeliveries,
      everyMs: 3_600_000,
      trouble: 'Old deliveries of webhooks are not deleted',
      work: (signal) => this.run(signal),
    });
  }

  /** Any number of processes may do so at once. @param signal ends it after the batch in hand. */
  async run(signal?: AbortSignal): Promise<void> {
    for (const [status, days] of Object.entries(KEPT_DAYS)) {
      const before = new Date(this.clock.now() - days * DAY_MS);
      await this.inBatches(signal, () =>
        this.change(
          `DELETE FROM webhook_deliveries WHERE id IN (
             SELECT id FROM webhook_deliveries WHERE status = $1 AND finished_at < $2
             ORDER BY finished_at LIMIT $3 FOR UPDATE SKIP LOCKED)`,
          [status, before, BATCH],
        ),
      );
    }
    await this.inBatches(signal, () =>
      this.change(
        `UPDATE webhook_deliveries SET status = 'dead', finished_at = $1,
           last_error = coalesce(last_error, 'not tried: the webhook was disabled')
         WHERE id IN (
           SELECT d.id FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id
           WHERE NOT w.enabled AND d.status = 'pending' AND d.give_up_at <= $1
           LIMIT $2 FOR UPDATE OF d SKIP LOCKED)`,
        [this.clock.date(), BATCH],
      ),
    );
  }

  private async inBatches(signal: AbortSignal | undefined, work: () => Promise<number>): Promise<void> {
    while (!signal?.aborted && (await work()) === BATCH);
  }

  private async change(sql: string, values: unknown[]): Promise<number> {
    const [, count] = await this.db.query<[unknown[], number]>(sql, values);
    return count;
  }
}
