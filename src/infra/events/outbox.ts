import { Logger } from '@nestjs/common';
import { EVENT_COLUMNS, EventRow, toEvent } from './event-columns';
import { EventType } from './event-types';
import { LinkedEvent, RecordedEvent } from './recorded-event';
import { RelayLease } from './relay-lease';
import { Superseded } from './superseded';
import { Held } from './targets/relay-target';

/** Where publishing has come to. */
interface Cursor {
  position: number;
  /** Of the link there: what lies behind it is of no earlier day, and in no earlier partition. */
  day: string;
}

export interface Batch {
  events: LinkedEvent[];
  /** Behind the batch. */
  end: Cursor;
  isFull: boolean;
}

type LinkRow = EventRow & { position: string; day: string; hash: Buffer; linked_id: string };

/** A Redis that has lost everything is given the events of the last minutes again, but not more than so many. */
const REPEATED_EVENTS = 100_000;
const REPEATED_MINUTES = 10;

/** Events that have their link in the chain, and wait to be published: what lies behind the publisher's cursor. */
export class Outbox {
  private readonly logger = new Logger('EventRelay');
  private cursor?: Cursor;

  constructor(
    private readonly lease: RelayLease,
    private readonly term: number,
  ) {}

  /** The position of the last event that was published. @throws Superseded, LeaseLost */
  async position(): Promise<number> {
    return (await this.readCursor()).position;
  }

  /** The oldest unpublished events, in the order to publish them in: within a subject, the order of commits. */
  async next(limit: number): Promise<Batch> {
    const cursor = await this.readCursor();
    const rows = await this.lease.query<LinkRow>(
      `SELECT c.position, c.day::text AS day, c.hash, c.event_id AS linked_id, event.*
       FROM (
         SELECT * FROM event_chain WHERE position > $1 AND day >= $2::date ORDER BY position LIMIT $3
       ) c
       LEFT JOIN LATERAL (
         SELECT ${EVENT_COLUMNS} FROM events e
         WHERE e.event_id = c.event_id AND e."timestamp" = c."timestamp" OFFSET 0
       ) event ON true
       ORDER BY c.position`,
      [cursor.position, cursor.day, limit],
    );
    const last = rows.at(-1);
    return {
      events: rows.filter((row) => this.isThere(row)).map(toLinkedEvent),
      end: last ? { position: Number(last.position), day: last.day } : cursor,
      isFull: rows.length === limit,
    };
  }

  /**
   * Moves the cursor behind what has been published. Does not wait for the disk: what is lost with a crash is published
   * again. @throws Superseded, LeaseLost
   */
  async moveTo({ position, day }: Cursor): Promise<void> {
    const moved = await this.lease.query(
      `UPDATE event_relay SET published_position = $2, published_day = $3
       WHERE term = $1 AND set_config('synchronous_commit', 'off', true) = 'off' RETURNING 1`,
      [this.term, position, day],
    );
    if (moved.length === 0) throw new Superseded(this.term);
    this.cursor = { position, day };
  }

  /**
   * Moves the cursor back to what the target still has: a Redis that failed over may lack the last events, one that was
   * emptied all of them.
   */
  async goBackTo(held: Held): Promise<void> {
    const cursor = await this.readCursor();
    const position = held.isEmpty ? await this.minutesAgo(cursor) : (held.position ?? cursor.position);
    if (position >= cursor.position) return;
    const [link] = await this.lease.query<{ day: string }>(
      `SELECT day::text AS day FROM event_chain WHERE position > $1 ORDER BY position LIMIT 1`,
      [position],
    );
    if (!link) return;
    this.logger.warn(
      `Redis has lost events: those behind position ${position}, of ${cursor.position}, follow again`,
    );
    await this.moveTo({ position, day: link.day });
  }

  /** Events of the last minutes, oldest first, in pages. */
  async *recent(types: EventType[], minutes: number, page = 500): AsyncGenerator<RecordedEvent[]> {
    let after: [string, string] = ['-infinity', '00000000-0000-0000-0000-000000000000'];
    for (;;) {
      const rows = await this.lease.query<EventRow>(
        `SELECT ${EVENT_COLUMNS} FROM events e
         WHERE e.event_type = ANY($1) AND e."timestamp" > now() - make_interval(mins => $2)
           AND (e."timestamp", e.event_id) > ($3::timestamptz, $4::uuid)
         ORDER BY e."timestamp", e.event_id LIMIT $5`,
        [types, minutes, ...after, page],
      );
      yield rows.map(toEvent);
      const last = rows.at(-1);
      if (!last || rows.length < page) return;
      after = [last.timestamp.toISOString(), last.event_id];
    }
  }

  /** Makes the partitions of this month and the next two. */
  async ensurePartitions(): Promise<void> {
    await this.lease.query(`SELECT ensure_event_partitions((now() AT TIME ZONE 'UTC')::date, 3)`);
  }

  /** Asked once a term: nobody else moves it. */
  private async readCursor(): Promise<Cursor> {
    if (this.cursor) return this.cursor;
    const [cursor] = await this.lease.query<{ position: string; day: string }>(
      `SELECT published_position AS position, published_day::text AS day FROM event_relay WHERE term = $1`,
      [this.term],
    );
    if (!cursor) throw new Superseded(this.term);
    return (this.cursor = { position: Number(cursor.position), day: cursor.day });
  }

  /** The position before the first event of the last minutes. */
  private async minutesAgo({ position }: Cursor): Promise<number> {
    const [first] = await this.lease.query<{ position: string }>(
      `SELECT position FROM event_chain
       WHERE position > $1 AND position <= $2 AND "timestamp" > now() - make_interval(mins => $3)
       ORDER BY position LIMIT 1`,
      [position - REPEATED_EVENTS, position, REPEATED_MINUTES],
    );
    return first ? Number(first.position) - 1 : position;
  }

  /** The chain tells that it was, and the verification that it is gone; the others still have to be published. */
  private isThere(row: LinkRow): boolean {
    if (row.event_id !== null) return true;
    this.logger.error(`event ${row.linked_id} was removed before it was published, position ${row.position}`);
    return false;
  }
}

function toLinkedEvent(row: LinkRow): LinkedEvent {
  return { ...toEvent(row), position: Number(row.position), day: row.day, hash: row.hash };
}
