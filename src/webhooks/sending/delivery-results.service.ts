import { Inject, Injectable } from '@nestjs/common';
import { systemCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { newId } from '../../common/ids';
import { CONFIG, Config } from '../../config/config';
import { Events } from '../../infra/events/events';
import { retryDelay } from './retry-timing';
import { SendFailure } from './send-failure';
import { SendingDatabase } from './sending-database';
import { webhookDeliveries } from './webhook-metrics';

const GIVE_UP_BATCH = 500;
const HOUR_MS = 3_600_000;

interface Tried {
  id: string;
  /** The claim under which it was sent. */
  claimId: string;
  /** Where it was sent to. */
  url: string;
  /** Before this one. */
  attempts: number;
}

/** What became of deliveries. Whoever was overtaken by another sender changes nothing but that something has arrived. */
@Injectable()
export class DeliveryResults {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly db: SendingDatabase,
    private readonly clock: Clock,
    private readonly events: Events,
  ) {}

  /** @returns whether the webhook wants more, and at that address: it may have been changed or deleted meanwhile. */
  async delivered({ id, url }: Tried, status: number): Promise<boolean> {
    const [rows] = await this.db.query<[{ wantsMore: boolean }[], number]>(
      `UPDATE webhook_deliveries d
       SET status = 'delivered', attempts = attempts + 1, last_status = $2, last_error = NULL, finished_at = $3
       FROM webhooks w
       WHERE d.id = $1 AND d.status <> 'delivered' AND w.id = d.webhook_id
       RETURNING w.enabled AND w.url = $4 AS "wantsMore"`,
      [id, status, this.clock.date(), url],
    );
    webhookDeliveries.inc({ result: 'delivered' });
    return rows[0]?.wantsMore ?? false;
  }

  /**
   * Puts it off, at most until the time at which it is given up; what fails then is dead. Where the webhook has another
   * address by now, or its lane is not the sender's any more, it is due at once: what was asked for before is no matter of
   * whoever is there now. Locked, or a change that is being made would neither be seen here nor see this.
   */
  async failed(
    { id, claimId, url, attempts }: Tried,
    { message, status, retryAfterMs }: SendFailure,
  ): Promise<void> {
    const now = this.clock.now();
    const wait = Math.max(retryDelay(attempts + 1), retryAfterMs ?? 0);
    const [rows] = await this.db.query<[{ status: string }[], number]>(
      `WITH lane AS MATERIALIZED (
         SELECT id, url = $7 AND sender_id IS NOT DISTINCT FROM $8 AS same FROM webhooks
         WHERE id = (SELECT webhook_id FROM webhook_deliveries WHERE id = $1) FOR SHARE
       )
       UPDATE webhook_deliveries d SET attempts = d.attempts + 1, last_status = $3, last_error = $4,
         status = CASE WHEN lane.same AND give_up_at <= $5 THEN 'dead' ELSE 'pending' END,
         finished_at = CASE WHEN lane.same AND give_up_at <= $5 THEN $5 END,
         due_at = CASE WHEN NOT lane.same THEN $5 WHEN give_up_at <= $5 THEN due_at ELSE least($6, give_up_at) END
       FROM lane
       WHERE d.id = $1 AND d.attempts = $2 AND d.status = 'pending' AND lane.id = d.webhook_id
       RETURNING d.status`,
      [id, attempts, status, message, new Date(now), new Date(now + wait), url, claimId],
    );
    webhookDeliveries.inc({ result: rows[0]?.status === 'dead' ? 'dead' : 'failed' });
  }

  /** Of which no try makes sense any more. */
  async dead({ id }: { id: string }, reason: string): Promise<void> {
    await this.db.query(
      `UPDATE webhook_deliveries SET status = 'dead', last_error = $2, finished_at = $3
       WHERE id = $1 AND status = 'pending'`,
      [id, reason, this.clock.date()],
    );
    webhookDeliveries.inc({ result: 'dead' });
  }

  /**
   * The receiver is gone for good (410): no more is sent to it. Where the webhook has another address by now, somebody
   * else has disabled it, or it was enabled again since this was sent (its lane is nobody's, or another's), this is a
   * failure like any other: the event is still owed.
   */
  async gone(webhookId: string, tried: Tried, failure: SendFailure): Promise<void> {
    const isDead = await this.db.transaction(async (tx) => {
      const now = this.clock.date();
      const [disabled] = await tx.query<[unknown[], number]>(
        `UPDATE webhooks SET enabled = false, failing_since = coalesce(failing_since, $3), updated_at = $3
         WHERE id = $1 AND url = $2 AND enabled AND sender_id = $4 RETURNING id`,
        [webhookId, tried.url, now, tried.claimId],
      );
      // Of several under way the first one disables the webhook and dies in the same moment. By that the others know that
      // it was a 410, and no administrator.
      const [, died] = await tx.query<[unknown[], number]>(
        `UPDATE webhook_deliveries d
         SET status = 'dead', attempts = attempts + 1, last_status = $3, last_error = $4, finished_at = $5
         FROM webhooks w
         WHERE d.id = $1 AND d.attempts = $6 AND d.status = 'pending' AND w.id = d.webhook_id AND w.url = $2
           AND ($7 OR NOT w.enabled AND EXISTS (
             SELECT FROM webhook_deliveries first
             WHERE first.webhook_id = w.id AND first.status = 'dead' AND first.finished_at = w.updated_at
               AND first.last_status = $3))`,
        [
          tried.id,
          tried.url,
          failure.status,
          `${failure.message}: the webhook is disabled`,
          now,
          tried.attempts,
          disabled.length > 0,
        ],
      );
      if (disabled.length > 0)
        await this.events.record(tx, systemCaller(newId()), {
          type: 'webhook.updated',
          subject: `webhook:${webhookId}`,
          data: { webhook_id: webhookId, fields: ['enabled'] },
        });
      return died > 0;
    });
    if (isDead) webhookDeliveries.inc({ result: 'dead' });
    else await this.failed(tried, failure);
  }

  /**
   * Gives up what is too old, where nothing has arrived for as long as anything is tried: the rest of it was not tried,
   * for the receiver's sake. Where it was us who were away, all gets its try.
   */
  async giveUpExpired(webhookId: string): Promise<void> {
    const now = this.clock.now();
    const failingBefore = new Date(now - this.config.WEBHOOK_RETRY_HOURS * HOUR_MS);
    for (let count = GIVE_UP_BATCH; count === GIVE_UP_BATCH;) {
      const [rows] = await this.db.query<[unknown[], number]>(
        `UPDATE webhook_deliveries
         SET status = 'dead', finished_at = $2, last_error = coalesce(last_error, 'not tried: the receiver fails')
         WHERE id IN (
           SELECT id FROM webhook_deliveries
           WHERE webhook_id = (SELECT id FROM webhooks WHERE id = $1 AND failing_since <= $4)
             AND status = 'pending' AND give_up_at <= $2
           ORDER BY position LIMIT $3 FOR UPDATE SKIP LOCKED)
           AND status = 'pending'
         RETURNING 1`,
        [webhookId, new Date(now), GIVE_UP_BATCH, failingBefore],
      );
      count = rows.length;
      webhookDeliveries.inc({ result: 'dead' }, count);
    }
  }
}
