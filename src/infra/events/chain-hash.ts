import canonicalize from 'canonicalize';
import { createHash } from 'node:crypto';

/** What of a row of `events` its hash covers: all of it. Names as in the table. */
export interface CanonicalEvent {
  event_id: string;
  event_type: string;
  /** RFC 3339, UTC, six digits of a second, as PostgreSQL keeps it. */
  timestamp: string;
  source: string;
  priority: string;
  subject: string;
  actor: string;
  resource: string | null;
  data: object;
  metadata: object;
  /** Of what is kept apart, by part; null where nothing is. */
  personal_digests: object | null;
}

/** The columns of `events e` as a `CanonicalEvent`. */
export const CANONICAL_COLUMNS = `e.event_id, e.event_type,
  to_char(e."timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "timestamp",
  e.source, e.priority, e.subject, e.actor, e.resource, e.data, e.metadata, e.personal_digests`;

/** The hash before the first link. */
export const CHAIN_START = Buffer.alloc(32);

/** In the place of an event's hash: the event was removed from the database before it had its link. No event has it. */
export const NO_EVENT = Buffer.alloc(32);

/** SHA-256 of the event's canonical form (RFC 8785). */
export function eventHash(event: CanonicalEvent): Buffer {
  const canonical: CanonicalEvent = {
    event_id: event.event_id,
    event_type: event.event_type,
    timestamp: event.timestamp,
    source: event.source,
    priority: event.priority,
    subject: event.subject,
    actor: event.actor,
    resource: event.resource,
    data: event.data,
    metadata: event.metadata,
    personal_digests: event.personal_digests,
  };
  return createHash('sha256').update(canonicalize(canonical)!).digest();
}

/** SHA-256 of the link before, the position (64 bits, big-endian) and the event's hash. */
export function linkHash(before: Buffer, position: number, event: Buffer): Buffer {
  const place = Buffer.alloc(8);
  place.writeBigUInt64BE(BigInt(position));
  return createHash('sha256').update(before).update(place).update(event).digest();
}
