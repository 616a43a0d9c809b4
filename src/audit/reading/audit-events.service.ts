import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { EVENT_COLUMNS, EventRow, toEvent } from '../../infra/events/event-columns';
import { PLANNING } from '../../infra/events/planning';
import { RecordedEvent } from '../../infra/events/recorded-event';
import { countedEvents, EventCursor, EventFilter, EventPart, pageOfEvents } from './event-search';

/**
 * A user's events, newest first, of equal times the greater id first: those that happened to the account, and those that
 * it caused. However many there are, a page reads what it shows and passes over. Nothing is left out of an event:
 * `auditEventItem` decides what of it is shown to whom.
 */
@Injectable()
export class AuditEvents {
  constructor(private readonly db: EntityManager) {}

  /** A part of the list, and how many there are of it. @param most at which counting ends. */
  async list(
    filter: EventFilter,
    part: EventPart,
    most: number,
  ): Promise<{ events: RecordedEvent[]; count: number }> {
    return this.db.transaction(async (tx) => {
      await tx.query(PLANNING);
      const page = pageOfEvents(filter, part, EVENT_COLUMNS);
      const rows = await tx.query<EventRow[]>(page.sql, page.values);
      const size = countedEvents(filter, most);
      const [{ count }] = await tx.query<[{ count: number }]>(size.sql, size.values);
      return { events: rows.map(toEvent), count };
    });
  }

  /** Where one of the user's events has its place; null where it is none of them, or is there no more. */
  async placeOf(userId: string, eventId: string): Promise<EventCursor | null> {
    const [row] = await this.db.query<{ timestamp: string }[]>(
      `SELECT "timestamp"::text FROM events WHERE event_id = $1 AND $2 IN (subject, actor)`,
      [eventId, `user:${userId}`],
    );
    return row ? { timestamp: row.timestamp, eventId } : null;
  }
}
