import { createHmac } from 'node:crypto';
import { eventMessage, MessageLink, SentEvent } from '../../infra/events/event-message';
import { SigningSecrets } from '../webhook-secrets.service';

export interface WebhookMessage {
  /** The event's: the same each time it is sent. */
  id: string;
  body: Buffer;
}

export function webhookMessage(event: SentEvent, link: MessageLink): WebhookMessage {
  return { id: event.eventId, body: eventMessage(event, link) };
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
