import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { RevocationReason } from '../infra/events/event-types';
import { Events } from '../infra/events/events';
import { Session } from './session';
import { SessionStore } from './session-store';

interface Ending {
  userId: string;
  reason: RevocationReason;
  /** Which sessions: all (those being opened at this very moment included), or the ones that fit. */
  which: 'all' | ((session: Session) => boolean);
  /** Sessions that Redis has ended already, to be named in the event too. */
  ended?: string[];
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
   */
  async run(
    caller: Caller,
    { userId, reason, which, ended = [] }: Ending,
    change: (tx: EntityManager, sessionIds: string[]) => Promise<void> = async () => {},
  ): Promise<string[]> {
    const open = await this.store.list(userId);
    const ending = which === 'all' ? open : open.filter(which);
    const sessionIds = [...ended, ...ending.map((session) => session.id)];
    const epoch = await this.db.transaction(async (tx) => {
      await change(tx, sessionIds);
      const before = which === 'all' ? await nextEpoch(tx, userId) : undefined;
      if (sessionIds.length > 0 || before !== undefined) {
        await this.events.record(tx, caller, {
          type: 'session.revoked',
          subject: `user:${userId}`,
          data: { reason, session_ids: sessionIds, ...(before !== undefined && { before_epoch: before }) },
        });
      }
      return before;
    });
    if (epoch !== undefined) await this.store.revokeBefore(userId, epoch);
    else await this.store.revoke(userId, sessionIds);
    return sessionIds;
  }
}

/** A sign-in that is under way was let in under the old number, and will find it changed. */
async function nextEpoch(tx: EntityManager, userId: string): Promise<number> {
  const [rows] = await tx.query<[{ session_epoch: number }[], number]>(
    `UPDATE users SET session_epoch = session_epoch + 1 WHERE id = $1 RETURNING session_epoch`,
    [userId],
  );
  return rows[0]?.session_epoch ?? 0;
}
