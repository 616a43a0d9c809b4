import { createHmac } from 'node:crypto';
import { RecordedEvent } from '../../infra/events/recorded-event';
import { STREAM_VERSION } from '../../infra/events/event-stream';
import { SigningSecrets } from '../webhook-secrets.service';

/** What is sent: the fields of the stream (`STREAM_FIELDS`), data and metadata as the objects they are. */
export interface WebhookMessage {
  /** The event's: the same each time it is sent. */
  id: string;
  body: Buffer;
}

/** Null where an event has no link, because it is none: a test. */
export interface MessageLink {
  position: number | null;
  /** Hexadecimal. */
  hash: string | null;
}

/** An event of the service, or one made for a test. */
export type SentEvent = Omit<RecordedEvent, 'type' | 'data'> & { type: string; data: object };

export function webhookMessage(event: SentEvent, { position, hash }: MessageLink): WebhookMessage {
  const content = {
    event_id: event.eventId,
    event_type: event.type,
    timestamp: event.timestamp.toISOString(),
    source: event.source,
    priority: event.priority,
    subject: event.subject,
    actor: event.actor,
    resource: event.resource,
    data: event.data,
    metadata: event.metadata,
    version: STREAM_VERSION,
    chain_position: position,
    chain_hash: hash,
  };
  return { id: event.eventId, body: Buffer.from(JSON.stringify(content)) };
}

/**
 * The headers that prove who sent it, and when (https://www.standardwebhooks.com, symmetric): HMAC-SHA256 of id, time and
 * body, once with each secret.
 * @param at milliseconds since the Unix epoch.
 */
export function signatureHeaders(
  { id, body }: WebhookMessage,
  secrets: SigningSecrets,
  at: number,
): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000));
  const signatures = [secrets.current, secrets.previous]
    .filter((secret) => secret !== undefined)
    .map((secret) =>
      createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest('base64'),
    );
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.map((signature) => `v1,${signature}`).join(' '),
  };
}
