import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { invalidAccessToken } from '../common/common.errors';
import { RevocationReason } from '../infra/events/event-types';
import { Events } from '../infra/events/events';
import { Session } from './session';
import { sessionsEnded } from './session-metrics';
import { SessionStore } from './session-store';

interface Ending {
  userId: string;
  reason: RevocationReason;
  ends: (session: Session) => boolean;
  /**
   * Whether sign-ins that are under way at this moment fail too, because what they have proved is no longer enough.
   * The sessions that stay are then moved into the new epoch.
   */
  underWay: boolean;
  /**
   * The session that asks for the change, where it may only happen while that one is in force. A call that was under
   * way when its session ended must not act on an account that is somebody else's by now.
   */
  by?: string;
  /** Called when the change is committed: before the sessions go, for what has to happen even if Redis fails just then. */
  committed?: () => void;
}

/**
 * Ends sessions together with the change that calls for it. The order makes it safe at every point of failure: Redis
 * is read first (away: nothing changes), the change and the event commit together, then the sessions go. Should Redis
 * fail just then, the caller hears 503 and the event relay ends them as soon as Redis is back.
 */
@Injectable()
export class EndSessions {
  constructor(
    private readonly db: EntityManager,
    private readonly events: Events,
    private readonly store: SessionStore,
  ) {}

  /**
   * @param change what else belongs into the transaction; gets the ids of the sessions that end.
   * @returns those ids.
   * @throws invalid_access_token where the session that asks (`by`) is over; and what `change` throws, which comes first.
   */
  async run(
    caller: Caller,
    { userId, reason, ends, underWay, by, committed }: Ending,
    change: (tx: EntityManager, sessionIds: string[]) => Promise<void> = async () => {},
  ): Promise<string[]> {
    const open = await this.store.list(userId);
    const asking = open.find(({ id }) => id === by);
    if (by !== undefined && !asking) throw invalidAccessToken();
    const sessionIds = open.filter(ends).map((session) => session.id);
    const kept = open.filter((session) => !ends(session)).map((session) => session.id);
    const epoch = await this.db.transaction(async (tx) => {
      const present = await (underWay ? nextEpoch(tx, userId) : lockEpoch(tx, userId));
      const before = underWay ? present + 1 : undefined;
      await change(tx, sessionIds);
      if (asking && asking.epoch !== present) throw invalidAccessToken();
      if (sessionIds.length > 0 || before !== undefined) {
        await this.events.record(tx, caller, {
          type: 'session.revoked',
          subject: `user:${userId}`,
          data: {
            reason,
            session_ids: sessionIds,
            ...(before !== undefined && { before_epoch: before, kept_session_ids: kept }),
          },
        });
      }
      return before;
    });
    committed?.();
    sessionsEnded.inc({ reason }, sessionIds.length);
    if (epoch !== undefined) await this.store.revokeBefore(userId, epoch, kept, reason);
    else await this.store.revoke(userId, sessionIds);
    return sessionIds;
  }
}

/** The user's row before the subject's lock: the order that `Events.record` asks for. */
async function lockEpoch(tx: EntityManager, userId: string): Promise<number> {
  const [row] = await tx.query<{ session_epoch: number }[]>(
    `SELECT session_epoch FROM users WHERE id = $1 FOR NO KEY UPDATE`,
    [userId],
  );
  return row?.session_epoch ?? 0;
}

/** A sign-in that is under way was let in under the old number, and will find it changed. @returns the old one. */
async function nextEpoch(tx: EntityManager, userId: string): Promise<number> {
  const [rows] = await tx.query<[{ session_epoch: number }[], number]>(
    `UPDATE users SET session_epoch = session_epoch + 1 WHERE id = $1 RETURNING session_epoch - 1 AS session_epoch`,
    [userId],
  );
  return rows[0]?.session_epoch ?? 0;
}
