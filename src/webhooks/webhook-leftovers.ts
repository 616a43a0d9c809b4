import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { BACKGROUND } from '../infra/background';
import { DependencyLog } from '../infra/logging/dependency-log';
import { failureReason } from '../infra/logging/failure-reason';
import { Repeated } from '../infra/repeated';

const EVERY_MS = 60_000;
/** So many go in one statement, which keeps it far within its deadline. */
const SLICE = 2_000;

/**
 * Removes what nobody needs any more, in small steps: deliveries and rows of deleted webhooks, and secrets that have signed
 * beside their successors long enough. It may be killed at any time, and run on every instance at once.
 */
@Injectable()
export class WebhookLeftovers implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new DependencyLog(new Logger('Webhooks'), 'Deleted webhooks are not removed');
  private readonly repeated = new Repeated(EVERY_MS, (signal) => this.round(signal));

  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  onApplicationBootstrap(): void {
    if (this.background) this.repeated.start();
  }

  /** Runs before the database pool closes. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.repeated.stop();
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

  private async round(signal: AbortSignal): Promise<void> {
    try {
      await this.run(signal);
      this.log.worked();
    } catch (error) {
      this.log.failed(failureReason(error));
    }
  }
}
