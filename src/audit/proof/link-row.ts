import { CanonicalEvent } from '../../infra/events/chain-hash';
import { PersonalPart } from '../../infra/events/personal-data';
import { ChainLink } from './proof-source';

/** The columns of `event_chain c`; the event's own are beside them, all null where it is gone. */
export const LINK_COLUMNS = `c.position, c.day::text AS day, c.event_id AS link_event_id,
  to_char(c."timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS link_timestamp, c.event_hash, c.hash`;

type Maybe<T> = { [Member in keyof T]: T[Member] | null };

export interface LinkRow extends Maybe<CanonicalEvent> {
  position: string;
  day: string;
  link_event_id: string;
  link_timestamp: string;
  event_hash: Buffer;
  hash: Buffer;
  personal?: { part: PersonalPart; salt: string; content: Record<string, unknown> }[] | null;
}

export function toLink(row: LinkRow): ChainLink {
  return {
    position: Number(row.position),
    day: row.day,
    eventId: row.link_event_id,
    timestamp: row.link_timestamp,
    eventHash: row.event_hash,
    hash: row.hash,
    event: row.event_id === null ? null : eventOf(row as CanonicalEvent),
    ...(row.personal !== undefined && {
      personal: (row.personal ?? []).map(({ part, salt, content }) => ({
        part,
        salt: Buffer.from(salt, 'hex'),
        content,
      })),
    }),
  };
}

/** Its own members, in the order of the table. */
export function eventOf(row: CanonicalEvent): CanonicalEvent {
  return {
    event_id: row.event_id,
    event_type: row.event_type,
    timestamp: row.timestamp,
    source: row.source,
    priority: row.priority,
    subject: row.subject,
    actor: row.actor,
    resource: row.resource,
    data: row.data,
    metadata: row.metadata,
    personal_digests: row.personal_digests,
  };
}
