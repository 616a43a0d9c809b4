import { EventData, EventPriority, EventType } from './event-types';
import { RecordedEvent } from './recorded-event';

/** An event as `EVENT_COLUMNS` reads it. */
export interface EventRow {
  event_id: string;
  event_type: EventType;
  timestamp: Date;
  source: string;
  priority: EventPriority;
  subject: string;
  actor: string;
  resource: string | null;
  data: EventData[EventType];
  metadata: Record<string, unknown>;
}

const whole = (
  part: 'data' | 'metadata',
): string => `e.${part} || coalesce(CASE WHEN e.personal_digests ? '${part}' THEN (
    SELECT p.content FROM event_personal_data p
    WHERE p.event_id = e.event_id AND p."timestamp" = e."timestamp" AND p.part = '${part}'
  ) END, '{}') AS ${part}`;

/** The columns of `events e`, what is kept apart (personal-data.ts) put back into its place, unless it was erased. */
export const EVENT_COLUMNS = `e.event_id, e.event_type, e."timestamp", e.source, e.priority, e.subject, e.actor,
  e.resource, ${whole('data')}, ${whole('metadata')}`;

export function toEvent(row: EventRow): RecordedEvent {
  return {
    eventId: row.event_id,
    type: row.event_type,
    timestamp: row.timestamp,
    source: row.source,
    priority: row.priority,
    subject: row.subject,
    actor: row.actor,
    resource: row.resource,
    data: row.data,
    metadata: row.metadata,
  };
}
