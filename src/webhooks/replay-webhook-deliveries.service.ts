import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { requirePermission } from '../authz/require-permission';
import { IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { notFound } from '../common/common.errors';
import { CONFIG, Config } from '../config/config';
import { DISOWNED, lockWebhook } from './stored-webhooks';
import { DELIVERY_COLUMNS, DeliveryStatus, WebhookDelivery } from './webhook';
import { ReplayedDeliveries, WebhookDeliveryItem } from './webhook-deliveries.dto';
import { deliveryItem } from './webhook-item';
import { deliveryNotDead, eventNotKept } from './webhooks.errors';

const HOUR_MS = 3_600_000;
/** So many in one call: one statement, far within its deadline. */
const MOST_AT_ONCE = 1_000;

/** As new, but for what the receiver said last: attempts begin at none, or the first would wait as long as the last did. */
const REPLAYED = `status = 'pending', attempts = 0, due_at = $2, give_up_at = $3, finished_at = NULL`;

/** Of `webhook_deliveries d`: dead, and its event was not dropped with its month (retention), or it would be dead again. */
const REPLAYABLE = `d.webhook_id = $1 AND d.status = 'dead' AND d."timestamp" >= coalesce(
  (SELECT dropped_before::timestamp AT TIME ZONE 'UTC' FROM audit_retention), '-infinity')`;

/** Has what was given up sent again, for as long as at first. */
@Injectable()
export class ReplayWebhookDeliveries {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly authority: Authority,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @throws permission_denied, not_found; delivery_not_dead for one that has arrived, or is on its way; event_not_kept */
  async one(caller: IdentifiedCaller, webhookId: string, deliveryId: string): Promise<WebhookDeliveryItem> {
    return this.change(caller, webhookId, async (tx) => {
      const [rows] = await tx.query<[WebhookDelivery[], number]>(
        `UPDATE webhook_deliveries d SET ${REPLAYED} WHERE d.id = $4 AND ${REPLAYABLE}
         RETURNING ${DELIVERY_COLUMNS}`,
        [webhookId, ...this.times(), deliveryId],
      );
      if (rows[0]) return deliveryItem(rows[0]);
      const [other] = await tx.query<{ status: DeliveryStatus }[]>(
        `SELECT status FROM webhook_deliveries WHERE id = $2 AND webhook_id = $1`,
        [webhookId, deliveryId],
      );
      if (!other) throw notFound();
      throw other.status === 'dead' ? eventNotKept() : deliveryNotDead();
    });
  }

  /** All dead ones, the oldest events first, 1,000 at most. @throws permission_denied, not_found */
  async all(caller: IdentifiedCaller, webhookId: string): Promise<ReplayedDeliveries> {
    return this.change(caller, webhookId, async (tx) => {
      const [, replayed] = await tx.query<[unknown[], number]>(
        `UPDATE webhook_deliveries SET ${REPLAYED}
         WHERE id IN (SELECT d.id FROM webhook_deliveries d WHERE ${REPLAYABLE}
                      ORDER BY d.event_id LIMIT ${MOST_AT_ONCE})`,
        [webhookId, ...this.times()],
      );
      const left = await tx.query<unknown[]>(`SELECT FROM webhook_deliveries d WHERE ${REPLAYABLE} LIMIT 1`, [
        webhookId,
      ]);
      return { replayed, has_more: left.length > 0 };
    });
  }

  /** Whoever replays thinks that the receiver is back: what it was left alone for is over, and what is under way is no reason. */
  private async change<T>(
    caller: IdentifiedCaller,
    webhookId: string,
    work: (tx: EntityManager) => Promise<T>,
  ): Promise<T> {
    requirePermission(caller, 'webhook:manage');
    return this.db.transaction(async (tx) => {
      await lockWebhook(tx, webhookId);
      await this.authority.requireNow(tx, caller, ['webhook:manage']);
      await tx.query(`UPDATE webhooks SET ${DISOWNED} WHERE id = $1`, [webhookId]);
      return work(tx);
    });
  }

  /** When it is due, and when it is given up. */
  private times(): [Date, Date] {
    const now = this.clock.now();
    return [new Date(now), new Date(now + this.config.WEBHOOK_RETRY_HOURS * HOUR_MS)];
  }
}
