import { Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { withDeadline } from '../deadline';
import { Metrics } from '../metrics/metrics';
import { relayLag, relayPending } from './event-metrics';

const COUNTED = 10_000;
const DEADLINE_MS = 1_000;

export interface Backlog {
  /** Unpublished events, counted up to 10,000. */
  pending: number;
  /** Age of the oldest of them; 0 when there is none. */
  lagSeconds: number;
}

/** How far the relay is behind, whichever process runs it. */
@Injectable()
export class EventBacklog implements OnModuleInit {
  constructor(
    private readonly db: EntityManager,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.metrics.beforeScrape(async () => {
      const { pending, lagSeconds } = await this.measure().catch(() => ({ pending: NaN, lagSeconds: NaN }));
      relayPending.set(pending);
      relayLag.set(lagSeconds);
    });
  }

  /** @throws Error when PostgreSQL does not answer within a second. */
  async measure(): Promise<Backlog> {
    const asked = this.db.query<Backlog[]>(
      `SELECT
         (SELECT count(*) FROM (SELECT FROM event_outbox LIMIT $1) counted)::int AS pending,
         coalesce((
           SELECT greatest(extract(epoch FROM clock_timestamp() - "timestamp"), 0)
           FROM event_outbox ORDER BY sequence LIMIT 1
         ), 0)::float AS "lagSeconds"`,
      [COUNTED],
    );
    const [backlog] = await withDeadline(asked, DEADLINE_MS, 'PostgreSQL');
    return backlog!;
  }
}
