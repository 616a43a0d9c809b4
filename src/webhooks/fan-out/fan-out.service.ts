import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';
import { CONFIG, Config } from '../../config/config';

const HOUR_MS = 3_600_000;

export interface Stretch {
  /** Of the chain, that were passed. */
  links: number;
  deliveries: number;
  /** Whether any webhook is enabled. */
  isWanted: boolean;
}

/**
 * A UUIDv7 of the time $2 (milliseconds) with the number of its link in the stretch in its next bits (RFC 9562 section
 * 6.2, method 1), so that ids are in the order of the chain.
 */
const DELIVERY_ID = `encode(
  substring(int8send($2::bigint) FROM 3) || int2send((28672 + s.number)::smallint)
    || substring(uuid_send(gen_random_uuid()) FROM 9), 'hex')::uuid`;

/** Makes the deliveries that the next events of the chain ask for. */
@Injectable()
export class FanOut {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly db: EntityManager,
    private readonly clock: Clock,
  ) {}

  /**
   * Moves the cursor by at most so many links and makes their deliveries, in one statement: all of it happens, or
   * nothing, and of processes that do so at once one does. An event that is not there any more is passed over.
   * @param limit at most 4,000.
   */
  async advance(limit: number): Promise<Stretch> {
    const now = this.clock.now();
    const [stretch] = await this.db.query<Stretch[]>(
      `WITH cursor AS MATERIALIZED (SELECT position, day FROM webhook_fan_out),
       stretch AS MATERIALIZED (
         SELECT c.position, c.day, c.event_id, c."timestamp", row_number() OVER (ORDER BY c.position) AS number
         FROM event_chain c
         WHERE c.position > (SELECT position FROM cursor) AND c.day >= (SELECT day FROM cursor)
         ORDER BY c.position LIMIT $1
       ),
       moved AS MATERIALIZED (
         UPDATE webhook_fan_out f SET position = last.position, day = last.day
         FROM (SELECT position, day FROM stretch ORDER BY position DESC LIMIT 1) last
         WHERE f.position = (SELECT position FROM cursor)
         RETURNING 1
       ),
       made AS (
         INSERT INTO webhook_deliveries
           (id, webhook_id, event_id, "timestamp", event_type, position, status, due_at, give_up_at, created_at)
         SELECT ${DELIVERY_ID}, w.id, e.event_id, e."timestamp", e.event_type, s.position, 'pending', $3, $4, $3
         FROM moved
         CROSS JOIN stretch s
         -- One probe for each: a plan that reads whole partitions instead is never better.
         CROSS JOIN LATERAL (
           SELECT * FROM events WHERE event_id = s.event_id AND "timestamp" = s."timestamp" OFFSET 0
         ) e
         JOIN webhooks w ON w.enabled AND w.since_position < s.position
           AND (cardinality(w.event_types) = 0 OR e.event_type = ANY(w.event_types))
         WHERE EXISTS (SELECT FROM webhooks WHERE enabled)
         ON CONFLICT (webhook_id, event_id) DO NOTHING
         RETURNING 1
       )
       SELECT (SELECT count(*) FROM stretch)::int * (SELECT count(*) FROM moved)::int AS links,
         (SELECT count(*) FROM made)::int AS deliveries, EXISTS (SELECT FROM webhooks WHERE enabled) AS "isWanted"`,
      [limit, now, new Date(now), new Date(now + this.config.WEBHOOK_RETRY_HOURS * HOUR_MS)],
    );
    return stretch!;
  }
}
