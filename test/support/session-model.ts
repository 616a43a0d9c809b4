import { Session } from '../../src/sessions/session';
import { Rotation } from '../../src/sessions/session-store';

/** Times in milliseconds. */
export interface SessionRules {
  grace: number;
  inactivity: number;
  window: number;
  refreshesInWindow: number;
}

type Kept = Session & { windowStart: number; used: number };

/** The rules of the session store for one user, in plain memory: what the store is compared with. */
export class SessionModel {
  private readonly sessions = new Map<string, Kept>();

  constructor(private readonly rules: SessionRules) {}

  open(session: Session): void {
    this.sessions.set(session.id, { ...session, windowStart: session.lastActiveAt, used: 0 });
  }

  isOpen(id: string, now: number): boolean {
    return (this.sessions.get(id)?.expiresAt ?? -Infinity) > now;
  }

  rotate(id: string, presented: number, leastEpoch: number, now: number): Rotation {
    const session = this.sessions.get(id);
    if (!session) return { kind: 'missing' };
    if (session.expiresAt <= now) {
      this.sessions.delete(id);
      return { kind: 'missing' };
    }
    if (session.epoch < leastEpoch) return { kind: 'stale', epoch: session.epoch };
    const isPrevious = presented === session.counter - 1 && now <= session.rotatedAt + this.rules.grace;
    if (presented < session.counter && !isPrevious) return { kind: 'reused' };
    if (now >= session.windowStart + this.rules.window) Object.assign(session, { windowStart: now, used: 0 });
    if (session.used >= this.rules.refreshesInWindow)
      return {
        kind: 'limited',
        retryAfter: Math.ceil((session.windowStart + this.rules.window - now) / 1000),
      };
    session.used += 1;
    if (!isPrevious) Object.assign(session, { counter: presented + 1, rotatedAt: now });
    session.lastActiveAt = now;
    session.expiresAt = Math.min(now + this.rules.inactivity, session.absoluteEnd);
    const { counter, absoluteEnd, persistent, mfa } = session;
    return { kind: 'rotated', counter, absoluteEnd, persistent, mfa };
  }

  revoke(ids: readonly string[]): void {
    for (const id of ids) this.sessions.delete(id);
  }

  revokeBefore(epoch: number, staying: readonly string[]): void {
    for (const session of [...this.sessions.values()].filter((candidate) => candidate.epoch < epoch)) {
      if (staying.includes(session.id)) session.epoch = epoch;
      else this.sessions.delete(session.id);
    }
  }

  /** In the order they were opened. */
  list(now: number): Session[] {
    return [...this.sessions.values()]
      .filter((session) => session.expiresAt > now)
      .map(({ windowStart: _start, used: _used, ...session }) => session);
  }

  counterOf(id: string): number {
    return this.sessions.get(id)?.counter ?? 0;
  }
}
