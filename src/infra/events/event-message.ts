import { RecordedEvent } from './recorded-event';

/** Of the fields below; grows only where one changes its meaning or goes. New fields may come at any time. */
export const EVENT_VERSION = '1';

/** An event of the service, or one made for a test. */
export type SentEvent = Omit<RecordedEvent, 'type' | 'data'> & { type: string; data: object };

/** Null where an event has no link, because it is none: a test. */
export interface MessageLink {
  position: number | null;
  /** Hexadecimal. */
  hash: string | null;
}

/** An event as JSON: the fields of an entry of the Redis Stream, data and metadata as the objects they are. */
export function eventMessage(event: SentEvent, { position, hash }: MessageLink): Buffer {
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
    version: EVENT_VERSION,
    chain_position: position,
    chain_hash: hash,
  };
  return Buffer.from(JSON.stringify(content));
}
