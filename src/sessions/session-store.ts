import { Inject, Injectable } from '@nestjs/common';
import { Redis, Result } from 'ioredis';
import { Clock } from '../common/clock';
import { CONFIG, Config } from '../config/config';
import { EventData, RevocationReason } from '../infra/events/event-types';
import { NearCache } from '../infra/near/near-cache';
import { Session, SessionAbout } from './session';
import { SessionGate } from './session-gate';
import { openScript, revokeBeforeScript, rotateScript } from './session-scripts';
import { readState, writeState } from './session-state';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    openSession(key: string, ...args: (string | number)[]): Result<string[], Context>;
    rotateSession(key: string, ...args: (string | number)[]): Result<[string, ...string[]], Context>;
    revokeSessionsBefore(
      key: string,
      epoch: number,
      proved: 0 | 1,
      ...staying: string[]
    ): Result<null, Context>;
  }
}

const DAY = 86_400_000;
/** A person has fewer devices; a script that signs in for ever must not fill Redis. */
const MOST_SESSIONS = 100;

export type Rotation =
  | { kind: 'rotated'; counter: number; absoluteEnd: number; persistent: boolean; mfa: boolean }
  | { kind: 'missing' }
  /** Of an epoch that is over: see `SettleSession`. */
  | { kind: 'stale'; epoch: number }
  | { kind: 'reused' }
  | { kind: 'limited'; retryAfter: number };

/**
 * Sessions in Redis, one hash a user. Redis lost means that everyone signs in again, and that nobody gets in.
 * Each method is one round trip at most. What ends sessions resolves when no process lets them in any more.
 */
@Injectable()
export class SessionStore {
  constructor(
    private readonly redis: Redis,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
    private readonly near: NearCache,
    private readonly gate: SessionGate,
  ) {
    redis.defineCommand('openSession', { numberOfKeys: 1, lua: openScript });
    redis.defineCommand('rotateSession', { numberOfKeys: 1, lua: rotateScript });
    redis.defineCommand('revokeSessionsBefore', { numberOfKeys: 1, lua: revokeBeforeScript });
  }

  /** @returns ids of the least recently used sessions that had to make room. */
  async open(session: Session): Promise<string[]> {
    const evicted = await this.redis.openSession(
      key(session.userId),
      session.id,
      writeState(session),
      JSON.stringify(session.about),
      session.absoluteEnd,
      this.clock.now(),
      MOST_SESSIONS,
    );
    if (evicted.length > 0) await this.forgotten(session.userId);
    return evicted;
  }

  /** Whether the session lives: asked for every authenticated request, and answered from memory where that is certain. */
  async isOpen(userId: string, sessionId: string): Promise<boolean> {
    const sessions = key(userId);
    const end = this.near.find<number>(sessions, sessionId);
    if (end !== undefined && end > this.clock.now()) return true;
    this.gate.requireOpen();
    const state = await this.near.ask<string | null, number>(
      sessions,
      sessionId,
      {
        tracked: (pipeline) => pipeline.hget(sessions, sessionId),
        plain: () => this.redis.hget(sessions, sessionId),
      },
      (answer) => (answer === null ? undefined : readState(answer).expiresAt),
    );
    return state !== null && readState(state).expiresAt > this.clock.now();
  }

  /** Exchanges the refresh token with this number for the next; see `rotateScript` for the rules. */
  async rotate(userId: string, sessionId: string, presented: number, leastEpoch: number): Promise<Rotation> {
    this.gate.requireOpen();
    const { config } = this;
    const [kind, ...rest] = await this.redis.rotateSession(
      key(userId),
      sessionId,
      presented,
      this.clock.now(),
      config.REFRESH_GRACE_SECONDS * 1000,
      config.REDIS_SESSION_INACTIVITY_DAYS * DAY,
      config.RATELIMIT_REFRESH_ATTEMPTS,
      config.RATELIMIT_REFRESH_WINDOW_MINUTES * 60_000,
      leastEpoch,
    );
    if (kind === 'rotated')
      return {
        kind,
        counter: Number(rest[0]),
        absoluteEnd: Number(rest[1]),
        persistent: rest[2] === '1',
        mfa: rest[3] === '1',
      };
    if (kind === 'reused') return { kind };
    if (kind === 'stale') return { kind, epoch: Number(rest[0]) };
    if (kind === 'limited') return { kind, retryAfter: Math.ceil(Number(rest[0]) / 1000) };
    if (kind === 'dropped') await this.forgotten(userId);
    return { kind: 'missing' };
  }

  /** A user's living sessions, the most recently active first. */
  async list(userId: string): Promise<Session[]> {
    this.gate.requireOpen();
    const fields = await this.redis.hgetall(key(userId));
    return Object.entries(fields)
      .filter(([field]) => !field.includes(':'))
      .map(([id, state]) => ({
        id,
        userId,
        ...readState(state),
        about: JSON.parse(fields[`${id}:about`] ?? '{}') as SessionAbout,
      }))
      .filter((session) => session.expiresAt > this.clock.now())
      .sort((a, b) => b.lastActiveAt - a.lastActiveAt);
  }

  /** Ends these sessions; those that are not there are not an error. */
  async revoke(userId: string, sessionIds: readonly string[]): Promise<void> {
    if (sessionIds.length === 0) return;
    await this.drop(userId, sessionIds);
    await this.forgotten(userId);
  }

  /**
   * Ends every session that was opened under an epoch smaller than this; those that stay move into it. Where the reason
   * is that the second factor was turned on, they have proved it: it is noted in the same step, for a refresh in
   * between would find a session without it, and end it.
   */
  async revokeBefore(
    userId: string,
    epoch: number,
    staying: readonly string[],
    reason?: RevocationReason,
  ): Promise<void> {
    await this.dropBefore(userId, epoch, staying, reason);
    await this.forgotten(userId);
  }

  /** Ends what a revocation's event says, perhaps once more. Resolves when Redis has: nobody is waited for. */
  async carryOut(
    userId: string,
    { session_ids, before_epoch, kept_session_ids = [], reason }: EventData['session.revoked'],
  ): Promise<void> {
    await Promise.all([
      session_ids.length > 0 && this.drop(userId, session_ids),
      before_epoch !== undefined && this.dropBefore(userId, before_epoch, kept_session_ids, reason),
    ]);
  }

  /** Resolves when no process lets in who was signed out in Redis before. */
  async forgotten(userId: string): Promise<void> {
    await this.near.changed(key(userId));
  }

  private async drop(userId: string, sessionIds: readonly string[]): Promise<void> {
    await this.redis.hdel(key(userId), ...sessionIds.flatMap((id) => [id, `${id}:about`]));
  }

  private async dropBefore(
    userId: string,
    epoch: number,
    staying: readonly string[],
    reason?: RevocationReason,
  ): Promise<void> {
    const proved = reason === 'mfa_enabled' ? 1 : 0;
    await this.redis.revokeSessionsBefore(key(userId), epoch, proved, ...staying);
  }
}

/** The hash tag keeps a user's keys on one node of a cluster. */
const key = (userId: string): string => `sessions:{${userId}}`;
