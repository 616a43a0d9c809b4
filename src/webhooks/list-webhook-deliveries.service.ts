import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { requirePermission } from '../authz/require-permission';
import { IdentifiedCaller } from '../common/caller';
import { webhookById } from './stored-webhooks';
import { DELIVERY_COLUMNS, WebhookDelivery } from './webhook';
import { WebhookDeliveriesQuery, WebhookDeliveryList } from './webhook-deliveries.dto';
import { deliveryItem } from './webhook-item';

/** More is not counted: a receiver that is away for a day can have a million. */
const COUNTED = 10_000;

/** Shows what was sent to a receiver, what waits, and what was given up. */
@Injectable()
export class ListWebhookDeliveries {
  constructor(private readonly db: EntityManager) {}

  /** The newest event first, along an index with or without a status. @throws permission_denied, not_found */
  async run(
    caller: IdentifiedCaller,
    webhookId: string,
    { status, limit, offset }: WebhookDeliveriesQuery,
  ): Promise<WebhookDeliveryList> {
    requirePermission(caller, 'webhook:manage');
    await webhookById(this.db, webhookId);
    const [these, values] =
      status === undefined
        ? ['d.webhook_id = $1', [webhookId]]
        : ['d.webhook_id = $1 AND d.status = $2', [webhookId, status]];
    const rows = await this.db.query<WebhookDelivery[]>(
      `SELECT ${DELIVERY_COLUMNS} FROM webhook_deliveries d WHERE ${these}
       ORDER BY d.event_id DESC LIMIT ${limit + 1} OFFSET ${offset}`,
      values,
    );
    const [{ count }] = await this.db.query<[{ count: number }]>(
      `SELECT count(*)::int AS count FROM (
         SELECT FROM webhook_deliveries d WHERE ${these} LIMIT ${COUNTED + 1}) counted`,
      values,
    );
    return {
      items: rows.slice(0, limit).map(deliveryItem),
      total: Math.min(count, COUNTED),
      total_is_exact: count <= COUNTED,
      limit,
      offset,
      has_more: rows.length > limit,
    };
  }
}
