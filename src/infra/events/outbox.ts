import { EventData, EventPriority, EventType } from './event-types';
import { RecordedEvent } from './recorded-event';
import { RelayLease } from './relay-lease';

export interface PendingEvent extends RecordedEvent {
  sequence: string;
}

interface EventRow {
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

const COLUMNS = `e.event_id, e.event_type, e."timestamp", e.source, e.priority, e.subject, e.actor, e.resource,
  e.data, e.metadata`;

/** What the publisher asks of the tables `events` and `event_outbox`. */
export class Outbox {
  constructor(private readonly lease: RelayLease) {}

  /** The oldest unpublished events, in the order to publish them in: within a subject, the order of commits. */
  async next(limit: number): Promise<PendingEvent[]> {
    const rows = await this.lease.query<EventRow & { sequence: string }>(
      `SELECT o.sequence, ${COLUMNS}
       FROM (SELECT * FROM event_outbox ORDER BY sequence LIMIT $1) o
       JOIN events e ON e.event_id = o.event_id AND e."timestamp" = o."timestamp"
       ORDER BY o.sequence`,
      [limit],
    );
    return rows.map((row) => ({ ...toEvent(row), sequence: row.sequence }));
  }

  /** Forgets what has been published. */
  async remove(events: readonly PendingEvent[]): Promise<void> {
    await this.lease.query('DELETE FROM event_outbox WHERE sequence = ANY($1::bigint[])', [
      events.map((event) => event.sequence),
    ]);
  }

  /** Events of the last minutes, oldest first, in pages. */
  async *recent(types: EventType[], minutes: number, page = 500): AsyncGenerator<RecordedEvent> {
    let after: [string, string] = ['-infinity', '00000000-0000-0000-0000-000000000000'];
    for (;;) {
      const rows = await this.lease.query<EventRow>(
        `SELECT ${COLUMNS} FROM events e
         WHERE e.event_type = ANY($1) AND e."timestamp" > now() - make_interval(mins => $2)
           AND (e."timestamp", e.event_id) > ($3::timestamptz, $4::uuid)
         ORDER BY e."timestamp", e.event_id LIMIT $5`,
        [types, minutes, ...after, page],
      );
      yield* rows.map(toEvent);
      const last = rows.at(-1);
      if (!last || rows.length < page) return;
      after = [last.timestamp.toISOString(), last.event_id];
    }
  }

  /** Makes the partitions of this month and the next two. */
  async ensurePartitions(): Promise<void> {
    await this.lease.query(`SELECT ensure_event_partitions((now() AT TIME ZONE 'UTC')::date, 3)`);
  }
}

function toEvent(row: EventRow): RecordedEvent {
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
