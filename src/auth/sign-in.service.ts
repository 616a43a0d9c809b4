import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Principal } from '../authz/principals.service';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { newId } from '../common/ids';
import { CONFIG, Config } from '../config/config';
import { User } from '../identities/user.entity';
import { Session } from '../sessions/session';
import { sessionsEnded, sessionsOpened } from '../sessions/session-metrics';
import { SessionStore } from '../sessions/session-store';
import { MfaChallenge, MfaChallenges } from './mfa-challenges';
import { signIns } from './sign-in-metrics';
import { Proved, SignInRecord, Wish } from './sign-in-record';

const DAY = 86_400_000;

export interface SignedIn {
  kind: 'signed_in';
  session: Session;
  principal: Principal;
}

/** The first factor was right, the second one is missing. */
export interface MfaRequired {
  kind: 'mfa_required';
  mfaToken: string;
}

/**
 * Opens a session for somebody who has proved who they are: the last steps of every kind of sign-in.
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
    private readonly challenges: MfaChallenges,
    private readonly record: SignInRecord,
  ) {}

  /** After the first factor: a session, or the question for the second factor where the account has one. */
  async begin(
    caller: Caller,
    user: Pick<User, 'id' | 'sessionEpoch' | 'mfaEnabled'>,
    { method, ...challenge }: Omit<MfaChallenge, 'proved'> & Pick<Proved, 'method'>,
  ): Promise<SignedIn | MfaRequired> {
    const proved: Proved = { userId: user.id, epoch: user.sessionEpoch, method };
    if (!user.mfaEnabled) return this.open(caller, proved, challenge.wish);
    const mfaToken = await this.challenges.open({ proved, ...challenge });
    signIns.inc({ method, result: 'mfa_required' });
    return { kind: 'mfa_required', mfaToken };
  }

  /** @throws invalid_mfa_token, invalid_oauth_state, invalid_credentials when the account changed in the meantime. */
  async open(caller: Caller, proved: Proved, wish: Wish): Promise<SignedIn> {
    const session = this.newSession(caller, proved, wish);
    try {
      const evicted = await this.store.open(session);
      const principal = await this.db.transaction((tx) =>
        this.record.confirm(tx, caller, { proved, wish, session, evicted }),
      );
      signIns.inc({ method: proved.method, result: 'success' });
      sessionsOpened.inc();
      sessionsEnded.inc({ reason: 'session_limit' }, evicted.length);
      return { kind: 'signed_in', session, principal };
    } catch (error) {
      await this.store.revoke(session.userId, [session.id]).catch(() => {});
      throw error;
    }
  }

  private newSession(
    caller: Caller,
    { userId, epoch, secondFactor }: Proved,
    { persistent, fingerprint }: Wish,
  ): Session {
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
      mfa: secondFactor !== undefined,
      about: { createdAt: now, ip: caller.ip, userAgent: caller.userAgent, fingerprint: fingerprint ?? null },
    };
  }
}
