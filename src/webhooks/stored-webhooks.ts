import { EntityManager } from 'typeorm';
import { notFound } from '../common/common.errors';
import { Webhook, WEBHOOK_COLUMNS } from './webhook';
import { ShownWebhook } from './webhook-item';

/**
 * Set by whoever has done something about what failed: nothing is kept waiting, not for a request that is under way and
 * fails, either. Whoever sends is disowned, but keeps the lane (`sender_until`) until nothing is under way.
 */
export const DISOWNED = 'rest_until = NULL, sender_id = NULL';

/** With the newest event that has arrived, which an index finds at once. */
const SHOWN = `
  SELECT ${WEBHOOK_COLUMNS}, newest.event_id AS "deliveredEventId", newest.finished_at AS "deliveredAt"
  FROM webhooks w LEFT JOIN LATERAL (
    SELECT event_id, finished_at FROM webhook_deliveries
    WHERE webhook_id = w.id AND status = 'delivered' ORDER BY event_id DESC LIMIT 1
  ) newest ON true
  WHERE w.deleted_at IS NULL`;

/** @throws not_found */
export async function webhookById(db: EntityManager, id: string): Promise<ShownWebhook> {
  const [webhook] = await db.query<ShownWebhook[]>(`${SHOWN} AND w.id = $1`, [id]);
  if (!webhook) throw notFound();
  return webhook;
}

/** Newest first. */
export const webhookPage = (db: EntityManager, limit: number, offset: number): Promise<ShownWebhook[]> =>
  db.query<ShownWebhook[]>(`${SHOWN} ORDER BY w.id DESC LIMIT $1 OFFSET $2`, [limit, offset]);

export async function countWebhooks(db: EntityManager): Promise<number> {
  const [{ count }] = await db.query<[{ count: number }]>(
    `SELECT count(*)::int AS count FROM webhooks WHERE deleted_at IS NULL`,
  );
  return count;
}

/** Whoever changes a webhook locks it first, then its deliveries, then records. @throws not_found */
export async function lockWebhook(tx: EntityManager, id: string): Promise<Webhook> {
  const [webhook] = await tx.query<Webhook[]>(
    `SELECT ${WEBHOOK_COLUMNS} FROM webhooks w WHERE w.id = $1 AND w.deleted_at IS NULL FOR NO KEY UPDATE`,
    [id],
  );
  if (!webhook) throw notFound();
  return webhook;
}
