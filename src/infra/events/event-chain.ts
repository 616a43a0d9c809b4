import { Logger } from '@nestjs/common';
import { CANONICAL_COLUMNS, CanonicalEvent, eventHash, linkHash, NO_EVENT } from './chain-hash';
import { RelayLease } from './relay-lease';
import { Superseded } from './superseded';

interface ChainHead {
  position: number;
  hash: Buffer;
}

/** A row of the outbox with its event. */
type Waiting = CanonicalEvent & {
  place: string;
  queued_id: string;
  queued_timestamp: string;
};

interface Link {
  place: string;
  eventId: string;
  timestamp: string;
  eventHash: Buffer;
  hash: Buffer;
}

/**
 * The hash chain that every committed event gets a link of, as the publisher of one term writes it: one writer, so that
 * those who record events wait for nobody. Before an event is published it has its link.
 */
export class EventChain {
  private readonly logger = new Logger('EventChain');
  private head?: ChainHead;

  constructor(
    private readonly lease: RelayLease,
    private readonly term: number,
  ) {}

  /** The position of the last link; 0 before the first. */
  async position(): Promise<number> {
    return (await this.readHead()).position;
  }

  /**
   * Links the oldest events that have none, and takes them out of the outbox, in one statement.
   * @returns how many. @throws Superseded when another process has become the publisher; LeaseLost
   */
  async link(limit: number): Promise<number> {
    const head = await this.readHead();
    // One probe for each row: a plan that reads whole partitions instead is never better.
    const rows = await this.lease.query<Waiting>(
      `SELECT o.place, o.event_id AS queued_id, o."timestamp"::text AS queued_timestamp, event.*
       FROM (SELECT * FROM event_outbox ORDER BY place LIMIT $1) o
       LEFT JOIN LATERAL (
         SELECT ${CANONICAL_COLUMNS} FROM events e
         WHERE e.event_id = o.event_id AND e."timestamp" = o."timestamp" OFFSET 0
       ) event ON true
       ORDER BY o.place`,
      [limit],
    );
    if (rows.length === 0) return 0;
    const links = this.linksAfter(head, rows);
    await this.append(head, links);
    this.head = { position: head.position + links.length, hash: links.at(-1)!.hash };
    return links.length;
  }

  /** Asked once a term: nobody else moves it. */
  private async readHead(): Promise<ChainHead> {
    if (this.head) return this.head;
    const [relay] = await this.lease.query<{ position: string; hash: Buffer }>(
      'SELECT chain_position AS position, chain_hash AS hash FROM event_relay WHERE term = $1',
      [this.term],
    );
    if (!relay) throw new Superseded(this.term);
    return (this.head = { position: Number(relay.position), hash: relay.hash });
  }

  private linksAfter(head: ChainHead, rows: readonly Waiting[]): Link[] {
    let { position, hash } = head;
    return rows.map((row) => {
      const event = this.hashOf(row);
      hash = linkHash(hash, ++position, event);
      return {
        place: row.place,
        eventId: row.queued_id,
        timestamp: row.queued_timestamp,
        eventHash: event,
        hash,
      };
    });
  }

  /** What cannot be hashed must not keep all others from their links: the chain says for ever that something is wrong. */
  private hashOf(row: Waiting): Buffer {
    try {
      if (row.event_id !== null) return eventHash(row);
      this.logger.error(`event ${row.queued_id} was removed before it had its link in the chain`);
    } catch (error) {
      this.logger.error(`event ${row.queued_id} cannot be hashed: ${(error as Error).message}`);
    }
    return NO_EVENT;
  }

  private async append(head: ChainHead, links: readonly Link[]): Promise<void> {
    const appended = await this.lease.query(
      `WITH relay AS (
         UPDATE event_relay SET chain_position = $2 + cardinality($3::bigint[]), chain_hash = $8,
           chain_day = greatest(chain_day, (clock_timestamp() AT TIME ZONE 'UTC')::date)
         WHERE term = $1 AND chain_position = $2
         RETURNING chain_day
       ), taken AS (
         DELETE FROM event_outbox USING relay WHERE place = ANY($3::bigint[])
       )
       INSERT INTO event_chain (position, day, event_id, "timestamp", event_hash, hash)
       SELECT $2 + link.number, relay.chain_day, link.event_id, link."timestamp", link.event_hash, link.hash
       FROM relay, unnest($4::uuid[], $5::timestamptz[], $6::bytea[], $7::bytea[])
         WITH ORDINALITY AS link (event_id, "timestamp", event_hash, hash, number)
       RETURNING 1`,
      [
        this.term,
        head.position,
        links.map((link) => link.place),
        links.map((link) => link.eventId),
        links.map((link) => link.timestamp),
        links.map((link) => link.eventHash),
        links.map((link) => link.hash),
        links.at(-1)!.hash,
      ],
    );
    if (appended.length !== links.length) throw new Superseded(this.term);
  }
}
