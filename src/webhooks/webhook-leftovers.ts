import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { advisoryLocks } from '../infra/database/advisory-locks';
import { FleetJobs } from '../infra/jobs/fleet-jobs';

/** So many go in one statement, which keeps it far within its deadline. */
const SLICE = 2_000;

/**
 * Removes what nobody needs any more, in small steps: deliveries and rows of deleted webhooks, and secrets that have signed
 * beside their successors long enough. Every minute; it may be killed at any time, and run on every instance at once.
 */
@Injectable()
export class WebhookLeftovers {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    jobs: FleetJobs,
  ) {
    jobs.add({
      name: 'webhook_leftovers',
      lock: advisoryLocks.webhookLeftovers,
      everyMs: 60_000,
      trouble: 'Deleted webhooks are not removed',
      work: (signal) => this.run(signal),
    });
  }

  /**
   * Removes deliveries of a deleted webhook, 2,000 at most, and its row behind the last one.
   * @returns whether it is all gone.
   */
  async removeSome(webhookId: string): Promise<boolean> {
    await this.db.query(
      `DELETE FROM webhook_deliveries WHERE id IN (
         SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
         WHERE w.id = $1 AND w.deleted_at IS NOT NULL LIMIT ${SLICE} FOR UPDATE OF d SKIP LOCKED)`,
      [webhookId],
    );
    await this.db.query(
      `DELETE FROM webhooks WHERE id = $1 AND deleted_at IS NOT NULL
         AND NOT EXISTS (SELECT FROM webhook_deliveries WHERE webhook_id = $1)`,
      [webhookId],
    );
    const left = await this.db.query<unknown[]>(`SELECT FROM webhooks WHERE id = $1`, [webhookId]);
    return left.length === 0;
  }

  /** @param signal ends it after the step in hand. */
  async run(signal: AbortSignal): Promise<void> {
    await this.db.query(
      `UPDATE webhooks SET wrapped_previous_secret = NULL
       WHERE wrapped_previous_secret IS NOT NULL AND previous_secret_until <= $1`,
      [this.clock.date()],
    );
    const deleted = await this.db.query<{ id: string }[]>(
      `SELECT id FROM webhooks WHERE deleted_at IS NOT NULL ORDER BY id`,
    );
    for (const { id } of deleted) {
      // What another instance has in hand stays for it, or for the next round.
      for (let step = 0; step < 1_000 && !signal.aborted; step++) if (await this.removeSome(id)) break;
    }
  }
}
