import { Webhook, WebhookDelivery } from './webhook';
import { WebhookDeliveryItem } from './webhook-deliveries.dto';
import { WebhookItem } from './webhooks.dto';

/** A webhook with the newest event that has arrived. */
export interface ShownWebhook extends Webhook {
  deliveredEventId: string | null;
  deliveredAt: Date | null;
}

/** What is shown of a webhook. */
export function webhookItem(webhook: ShownWebhook): WebhookItem {
  const { failingSince, deliveredEventId, deliveredAt } = webhook;
  return {
    webhook_id: webhook.id,
    url: webhook.url,
    event_types: webhook.eventTypes,
    description: webhook.description,
    enabled: webhook.enabled,
    status: !webhook.enabled ? 'disabled' : failingSince ? 'failing' : 'ok',
    failing_since: failingSince?.toISOString() ?? null,
    last_delivery:
      deliveredEventId && deliveredAt
        ? { event_id: deliveredEventId, delivered_at: deliveredAt.toISOString() }
        : null,
    previous_secret_until: webhook.previousSecretUntil?.toISOString() ?? null,
    created_by: webhook.createdBy,
    created_at: webhook.createdAt.toISOString(),
    updated_at: webhook.updatedAt.toISOString(),
  };
}

/** What is shown of a delivery. */
export function deliveryItem(delivery: WebhookDelivery): WebhookDeliveryItem {
  return {
    delivery_id: delivery.id,
    event_id: delivery.eventId,
    event_type: delivery.eventType,
    position: delivery.position,
    status: delivery.status,
    attempts: delivery.attempts,
    due_at: delivery.dueAt.toISOString(),
    give_up_at: delivery.giveUpAt.toISOString(),
    last_status: delivery.lastStatus,
    last_error: delivery.lastError,
    created_at: delivery.createdAt.toISOString(),
    finished_at: delivery.finishedAt?.toISOString() ?? null,
  };
}
