import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Principal } from '../authz/principals.service';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { newId } from '../common/ids';
import { CONFIG, Config } from '../config/config';
import { Session } from '../sessions/session';
import { SessionStore } from '../sessions/session-store';
import { Proved, SignInRecord, Wish } from './sign-in-record';

const DAY = 86_400_000;

export interface OpenedSession {
  session: Session;
  principal: Principal;
}

/**
 * Opens a session for somebody who has proved who they are: the last step of every kind of sign-in.
 *
 * Redis first, PostgreSQL second: a session that never gets confirmed is one that nobody holds a token of. The
 * confirmation checks that nothing has ended the user's sessions since the proof, in the statement that records it.
 */
@Injectable()
export class SignIn {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
    private readonly db: EntityManager,
    private readonly store: SessionStore,
    private readonly record: SignInRecord,
  ) {}

  /** @throws invalid_credentials when the account changed in the meantime. */
  async open(caller: Caller, proved: Proved, wish: Wish): Promise<OpenedSession> {
    const session = this.newSession(caller, proved, wish);
    try {
      const evicted = await this.store.open(session);
      const principal = await this.db.transaction((tx) =>
        this.record.confirm(tx, caller, { proved, wish, session, evicted }),
      );
      return { session, principal };
    } catch (error) {
      await this.store.revoke(session.userId, [session.id]).catch(() => {});
      throw error;
    }
  }

  private newSession(caller: Caller, { userId, epoch }: Proved, { persistent, fingerprint }: Wish): Session {
    const { JWT_REFRESH_TOKEN_TTL_DAYS, REDIS_SESSION_TTL_DAYS, REDIS_SESSION_INACTIVITY_DAYS } = this.config;
    const now = this.clock.now();
    const days = persistent ? Math.min(JWT_REFRESH_TOKEN_TTL_DAYS, REDIS_SESSION_TTL_DAYS) : 1;
    const absoluteEnd = now + days * DAY;
    return {
      id: newId(),
      userId,
      counter: 1,
      rotatedAt: now,
      lastActiveAt: now,
      expiresAt: Math.min(absoluteEnd, now + REDIS_SESSION_INACTIVITY_DAYS * DAY),
      absoluteEnd,
      epoch,
      persistent,
      mfa: false,
      about: { createdAt: now, ip: caller.ip, userAgent: caller.userAgent, fingerprint: fingerprint ?? null },
    };
  }
}
