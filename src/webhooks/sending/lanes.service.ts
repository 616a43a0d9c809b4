import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../common/clock';
import { newId } from '../../common/ids';
import { CONFIG, Config } from '../../config/config';
import { EVENT_COLUMNS, EventRow, toEvent } from '../../infra/events/event-columns';
import { SendingDatabase } from './sending-database';
import { laneRest } from './retry-timing';
import { webhookMessage, WebhookMessage } from './webhook-message';

/** How long a claim is good beyond the deadline of a try: whoever holds it begins nothing later. */
const SPARE_MS = 5_000;

/** Of `webhooks`, with `held`: nobody else has the lane since. */
const HELD = 'id = $1 AND (sender_id = $2 OR sender_id IS NULL AND sender_until = $3::timestamptz)';
const held = ({ id, claimId, heldUntil }: Lane): string[] => [id, claimId, heldUntil];

/** A webhook that one process sends to. */
export interface Lane {
  id: string;
  claimId: string;
  /** Failures in a row. */
  failures: number;
  /** In `performance.now()` of this process. */
  claimedUntil: number;
  /** The same in the row, to the microsecond: whose the lane is, also when it was disowned. */
  heldUntil: string;
}

/** A delivery whose turn it is. */
export interface DueDelivery {
  id: string;
  /** The claim by which it was read. */
  claimId: string;
  url: string;
  /** Before this one. */
  attempts: number;
  /** Null: the event is not kept any more. */
  message: WebhookMessage | null;
}

/** Without a delivery where the lane is held, and nothing is due. */
interface DueRow extends EventRow {
  held_until: string;
  delivery_id: string | null;
  url: string;
  attempts: number;
  position: string;
  hash: string | null;
}

/**
 * Each webhook is a lane of its own, and one process at a time sends to it. A claim is a lease, not a lock: of a process
 * that dies it runs out. Leases are in the database's time, the rest is in that of `Clock`.
 *
 * A lane is disowned (`DISOWNED`) when somebody has done something about its failures: `sender_until` stays until whoever
 * has it lets go, so that nobody sends beside the requests under way, but their failures are not the lane's. By that value
 * it is told whose the lane was: no two claims of a lane end in the same microsecond.
 */
@Injectable()
export class Lanes {
  private readonly lease: number;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly db: SendingDatabase,
    private readonly clock: Clock,
  ) {
    this.lease = config.WEBHOOK_TIMEOUT_SECONDS * 1000 + SPARE_MS;
  }

  /** Takes every lane that nobody has, that does not rest, and on which something is due. */
  async claim(): Promise<Lane[]> {
    const claimId = newId();
    let claimedUntil = 0;
    const [rows] = await this.db.query<[Pick<Lane, 'id' | 'failures' | 'heldUntil'>[], number]>(
      `WITH ready AS MATERIALIZED (
         SELECT w.id FROM webhooks w
         WHERE w.enabled AND (w.sender_until IS NULL OR w.sender_until <= clock_timestamp())
           AND (w.rest_until IS NULL OR w.rest_until <= $3)
           AND EXISTS (
             SELECT FROM webhook_deliveries d
             WHERE d.webhook_id = w.id AND d.status = 'pending' AND d.due_at <= $3)
         FOR NO KEY UPDATE SKIP LOCKED
       )
       UPDATE webhooks w SET sender_id = $1, sender_until = clock_timestamp() + $2 * interval '1 millisecond'
       FROM ready WHERE w.id = ready.id
       RETURNING w.id, w.failures, w.sender_until::text AS "heldUntil"`,
      [claimId, this.lease, this.clock.date()],
      () => (claimedUntil = performance.now() + this.lease),
    );
    return rows.map((row) => ({ ...row, claimId, claimedUntil }));
  }

  /** Holds the lane for longer, and says what is due on it, oldest event first; nothing when it is another's by now. */
  async next(lane: Lane, limit: number): Promise<DueDelivery[]> {
    let claimedUntil = 0;
    const rows = await this.db.query<DueRow[]>(
      `WITH lane AS (
         UPDATE webhooks SET sender_until = clock_timestamp() + $3 * interval '1 millisecond'
         WHERE id = $1 AND sender_id = $2 AND enabled
         RETURNING id, url, sender_until::text AS held_until
       )
       SELECT lane.held_until, lane.url, d.id AS delivery_id, d.attempts, d.position, encode(c.hash, 'hex') AS hash, ${EVENT_COLUMNS}
       FROM lane LEFT JOIN LATERAL (
         SELECT * FROM webhook_deliveries
         WHERE webhook_id = lane.id AND status = 'pending' AND due_at <= $4
         ORDER BY position LIMIT $5
       ) d ON true
       LEFT JOIN events e ON e.event_id = d.event_id AND e."timestamp" = d."timestamp"
       LEFT JOIN event_chain c ON c.position = d.position
       ORDER BY d.position`,
      [lane.id, lane.claimId, this.lease, this.clock.date(), limit],
      () => (claimedUntil = performance.now() + this.lease),
    );
    if (rows[0]) Object.assign(lane, { claimedUntil, heldUntil: rows[0].held_until });
    return rows.flatMap((row) => (row.delivery_id === null ? [] : dueDelivery(lane, row.delivery_id, row)));
  }

  /** Everything has arrived: the lane is as good as new, also where it was disowned. */
  async recovered(lane: Lane): Promise<void> {
    lane.failures = 0;
    await this.db.query(
      `UPDATE webhooks SET failures = 0, failing_since = NULL, rest_until = NULL WHERE ${HELD}`,
      held(lane),
    );
  }

  /**
   * Lets go of a lane on which something has failed, and leaves its receiver alone: the longer, the more has failed in a
   * row. Not where the lane was disowned: what failed says nothing of what is there now.
   * @param arrived whether something else has arrived meanwhile: then this is the first failure.
   * @returns whether it rests.
   */
  async rest(
    lane: Lane,
    { arrived, atLeastMs = 0 }: { arrived: boolean; atLeastMs?: number },
  ): Promise<boolean> {
    const now = this.clock.now();
    const failures = arrived ? 1 : lane.failures + 1;
    const [, rested] = await this.db.query<[unknown[], number]>(
      `UPDATE webhooks SET sender_id = NULL, sender_until = NULL, failures = $3, rest_until = $4,
         failing_since = CASE WHEN $5 THEN $6 ELSE coalesce(failing_since, $6) END
       WHERE id = $1 AND sender_id = $2`,
      [
        lane.id,
        lane.claimId,
        failures,
        new Date(now + Math.max(laneRest(failures), atLeastMs)),
        arrived,
        new Date(now),
      ],
    );
    if (rested === 0) await this.release(lane);
    return rested > 0;
  }

  /**
   * Lets go of a lane, for a while where that is said: the receiver has nothing to do with it. One that was disowned is
   * free then, and does not rest. Where it was prolonged and the answer was lost, nobody knows whose that was: it runs out.
   */
  async release(lane: Lane, restMs?: number): Promise<void> {
    const restUntil = restMs === undefined ? null : new Date(this.clock.now() + restMs);
    await this.db.query(
      `UPDATE webhooks SET sender_id = NULL, sender_until = NULL,
         rest_until = CASE WHEN sender_id = $2 THEN coalesce($4, rest_until) ELSE rest_until END
       WHERE ${HELD}`,
      [...held(lane), restUntil],
    );
  }
}

function dueDelivery({ claimId }: Lane, id: string, row: DueRow): DueDelivery {
  const link = { position: Number(row.position), hash: row.hash };
  const message = row.event_id === null ? null : webhookMessage(toEvent(row), link);
  return { id, claimId, url: row.url, attempts: row.attempts, message };
}
