import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { EVENT_COLUMNS, EventRow, toEvent } from '../../infra/events/event-columns';
import { PLANNING } from '../../infra/events/planning';
import { RecordedEvent } from '../../infra/events/recorded-event';
import { EventFilter, listedEvents } from '../reading/event-search';
import { AuditExport, MOST_EVENTS } from './audit-export';

/** Few enough for one statement's second, and for little memory. */
export const PAGE = 250;

/** Events that the export was made for are gone: nothing will bring them back. */
export class EventsGone extends Error {
  constructor(exportId: string) {
    super(`export ${exportId}: not all of its events are there any more`);
    this.name = 'EventsGone';
  }
}

/**
 * The events of an export. Which ones is decided by one statement when it is made, and kept: however long the writing
 * takes, and whoever goes on with it, what was recorded since neither moves them nor makes them more.
 */
@Injectable()
export class ExportEvents {
  constructor(private readonly db: EntityManager) {}

  /** Chooses the newest, in the transaction that made the row: from the list alone, for ten thousand events are far apart. */
  async choose(
    tx: EntityManager,
    exportId: string,
    filter: EventFilter,
  ): Promise<Pick<AuditExport, 'totalEvents' | 'truncated'>> {
    await tx.query(PLANNING);
    const { sql, values } = listedEvents(filter, { limit: MOST_EVENTS + 1 });
    const id = `$${values.push(exportId)}`;
    const [[chosen]] = await tx.query<[Pick<AuditExport, 'totalEvents' | 'truncated'>[], number]>(
      `WITH numbered AS MATERIALIZED (
         SELECT event_id, "timestamp", row_number() OVER (ORDER BY "timestamp" DESC, event_id DESC) AS number
         FROM (${sql}) AS newest
       ), chosen AS (
         SELECT coalesce(array_agg(event_id ORDER BY number), '{}') AS ids,
           coalesce(array_agg("timestamp" ORDER BY number), '{}') AS times, count(*)::int AS total
         FROM numbered WHERE number <= ${MOST_EVENTS}
       )
       UPDATE audit_exports SET event_ids = ids, event_times = times, total_events = total,
         truncated = EXISTS (SELECT FROM numbered WHERE number > ${MOST_EVENTS})
       FROM chosen WHERE id = ${id}::uuid
       RETURNING total_events AS "totalEvents", truncated`,
      values,
    );
    return chosen!;
  }

  /** The next so many from a place in the file, from 0. @throws EventsGone */
  async page({ id, totalEvents }: AuditExport, from: number): Promise<RecordedEvent[]> {
    const to = Math.min(from + PAGE, totalEvents);
    const rows = await this.db.query<EventRow[]>(
      `SELECT ${EVENT_COLUMNS}
       FROM audit_exports x
       CROSS JOIN LATERAL unnest(x.event_ids[$2::int:$3::int], x.event_times[$2::int:$3::int])
         WITH ORDINALITY AS chosen (event_id, "timestamp", number)
       JOIN events e ON e.event_id = chosen.event_id AND e."timestamp" = chosen."timestamp"
       WHERE x.id = $1 ORDER BY chosen.number`,
      [id, from + 1, to],
    );
    if (rows.length !== to - from) throw new EventsGone(id);
    return rows.map(toEvent);
  }
}
