import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { EventData } from '../infra/events/event-types';
import { SessionStore } from './session-store';

/** A Redis that is full may end sessions, and not note for as long as it is that one stays. Older changes have been carried out. */
const HOURS = 24;

/**
 * For a session of an epoch that is over. As a rule what ended the epoch ended the session; but whoever changes a password may
 * keep the other sessions, and between the change's commit and Redis' hearing of it one of them may come to refresh.
 */
@Injectable()
export class SettleSession {
  constructor(
    private readonly db: EntityManager,
    private readonly store: SessionStore,
  ) {}

  /**
   * Brings it into the present epoch where each change since has kept it, and ends it otherwise.
   * @param from its epoch. @param to the user's. @returns whether it stays.
   */
  async run(userId: string, sessionId: string, { from, to }: { from: number; to: number }): Promise<boolean> {
    const changes = await this.changesOf(userId, from);
    const keep = changes.filter(
      ({ before_epoch, kept_session_ids }) => before_epoch! <= to && kept_session_ids?.includes(sessionId),
    );
    if (keep.length < to - from) {
      await this.store.revoke(userId, [sessionId]);
      return false;
    }
    for (const change of keep) await this.store.carryOut(userId, change);
    return true;
  }

  /** Oldest first: each began an epoch, one after the other. */
  private async changesOf(userId: string, epoch: number): Promise<EventData['session.revoked'][]> {
    const rows = await this.db.query<{ data: EventData['session.revoked'] }[]>(
      `SELECT data FROM events
       WHERE subject = $1 AND event_type = 'session.revoked' AND "timestamp" > now() - make_interval(hours => $2)
         AND (data->>'before_epoch')::int > $3
       ORDER BY (data->>'before_epoch')::int`,
      [`user:${userId}`, HOURS, epoch],
    );
    return rows.map(({ data }) => data);
  }
}
