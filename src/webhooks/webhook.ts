/** A receiver of events, as it rests. Its secrets are read by `WebhookSecrets` alone. */
export interface Webhook {
  id: string;
  url: string;
  description: string | null;
  /** Empty: all. */
  eventTypes: string[];
  /** Nothing is made or sent for one that is not. */
  enabled: boolean;
  /** `user:<id>`, as in events. */
  createdBy: string;
  createdAt: Date;
  updatedAt: Date;
  /** Since when nothing arrives; null while it does. */
  failingSince: Date | null;
  /** Until then the secret before the present one signs too; null where there was none. */
  previousSecretUntil: Date | null;
}

/** The columns of `webhooks w`, for SQL. */
export const WEBHOOK_COLUMNS = `w.id, w.url, w.description, w.event_types AS "eventTypes", w.enabled,
  w.created_by AS "createdBy", w.created_at AS "createdAt", w.updated_at AS "updatedAt",
  w.failing_since AS "failingSince", w.previous_secret_until AS "previousSecretUntil"`;

export const DELIVERY_STATUSES = ['pending', 'delivered', 'dead'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** One event on its way to one receiver. */
export interface WebhookDelivery {
  id: string;
  webhookId: string;
  eventId: string;
  eventType: string;
  /** Of the event in the chain. */
  position: number;
  status: DeliveryStatus;
  attempts: number;
  dueAt: Date;
  /** After that it is dead. */
  giveUpAt: Date;
  /** What the receiver answered last; null where there was no answer. */
  lastStatus: number | null;
  lastError: string | null;
  createdAt: Date;
  finishedAt: Date | null;
}

/** The columns of `webhook_deliveries d`, for SQL. */
export const DELIVERY_COLUMNS = `d.id, d.webhook_id AS "webhookId", d.event_id AS "eventId", d.event_type AS "eventType",
  d.position::float8 AS position, d.status, d.attempts, d.due_at AS "dueAt", d.give_up_at AS "giveUpAt",
  d.last_status AS "lastStatus", d.last_error AS "lastError", d.created_at AS "createdAt", d.finished_at AS "finishedAt"`;
