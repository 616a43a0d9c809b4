import { Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { withDeadline } from '../deadline';
import { Metrics } from '../metrics/metrics';
import { eventsUnlinked, oldestUnlinked, relayLag, relayPending } from './event-metrics';

const COUNTED = 10_000;
const DEADLINE_MS = 1_000;

export interface Backlog {
  /** Events without a link in the hash chain; counted up to 10,000. */
  unlinked: number;
  /** Age of the oldest of them; 0 when there is none. */
  unlinkedSeconds: number;
  /** Events that are not published, with a link or without; counted up to 10,000. */
  pending: number;
  /** Age of the oldest of them; 0 when there is none. */
  lagSeconds: number;
}

const UNKNOWN: Backlog = { unlinked: NaN, unlinkedSeconds: NaN, pending: NaN, lagSeconds: NaN };

/** `history`: events of former releases that wait for their link, before all others, and are published already. */
const MEASURE = `
  WITH relay AS (
    SELECT chain_position, published_position, published_day,
      greatest(published_position - chain_position, 0) AS history FROM event_relay
  ), oldest AS (
    SELECT
      (SELECT "timestamp" FROM event_outbox ORDER BY place LIMIT 1) AS unlinked,
      least(
        (SELECT "timestamp" FROM event_outbox ORDER BY place OFFSET history LIMIT 1),
        (SELECT "timestamp" FROM event_chain WHERE position = published_position + 1 AND day >= published_day)
      ) AS unpublished
    FROM relay
  )
  SELECT
    (SELECT count(*) FROM (SELECT FROM event_outbox LIMIT $1) counted)::int AS unlinked,
    coalesce(greatest(extract(epoch FROM clock_timestamp() - oldest.unlinked), 0), 0)::float AS "unlinkedSeconds",
    least($1, greatest(chain_position - published_position, 0) + (
      SELECT count(*) FROM (SELECT FROM event_outbox ORDER BY place OFFSET history LIMIT $1) counted
    ))::int AS pending,
    coalesce(greatest(extract(epoch FROM clock_timestamp() - oldest.unpublished), 0), 0)::float AS "lagSeconds"
  FROM relay, oldest`;

/** How far the relay is behind, whichever process runs it. */
@Injectable()
export class EventBacklog implements OnModuleInit {
  constructor(
    private readonly db: EntityManager,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.metrics.beforeScrape(async () => {
      const backlog = await this.measure().catch(() => UNKNOWN);
      eventsUnlinked.set(backlog.unlinked);
      oldestUnlinked.set(backlog.unlinkedSeconds);
      relayPending.set(backlog.pending);
      relayLag.set(backlog.lagSeconds);
    });
  }

  /** @throws Error when PostgreSQL does not answer within a second. */
  async measure(): Promise<Backlog> {
    const asked = this.db.query<Backlog[]>(MEASURE, [COUNTED]);
    const [backlog] = await withDeadline(asked, DEADLINE_MS, 'PostgreSQL');
    return backlog!;
  }
}
