import { Inject, Injectable } from '@nestjs/common';
import { Redis } from 'ioredis';
import { EntityManager } from 'typeorm';
import { withDeadline } from '../deadline';
import { EventBacklog } from '../events/event-backlog';
import { askPrimary } from '../redis/ask-primary';

const DEADLINE_MS = 1_000;
/** Events older than that should have been published long ago. */
const LATE_SECONDS = 60;

export interface Check {
  status: 'ok' | 'failed';
  /** Milliseconds until the answer, or until it was given up. */
  latency_ms: number;
}

export interface EventsCheck {
  status: 'ok' | 'late' | 'unknown';
  pending: number | null;
  lag_seconds: number | null;
}

/**
 * Asks each dependency one cheap question, for a second at most. Probes are open to everybody, so of any number that
 * come at once only one asks and all get its answer.
 */
@Injectable()
export class HealthChecks {
  readonly postgres = shared(() => timed(this.db.query('SELECT 1')));
  readonly redis = shared(() => timed(askPrimary(this.redisClient)));
  readonly events = shared(() => this.askEvents());

  constructor(
    private readonly db: EntityManager,
    @Inject(Redis) private readonly redisClient: Redis,
    private readonly backlog: EventBacklog,
  ) {}

  private async askEvents(): Promise<EventsCheck> {
    try {
      const { pending, lagSeconds } = await this.backlog.measure();
      return { status: lagSeconds > LATE_SECONDS ? 'late' : 'ok', pending, lag_seconds: lagSeconds };
    } catch {
      return { status: 'unknown', pending: null, lag_seconds: null };
    }
  }
}

async function timed(question: Promise<unknown>): Promise<Check> {
  const asked = performance.now();
  const status = await withDeadline(question, DEADLINE_MS, 'a health check').then(
    () => 'ok' as const,
    () => 'failed' as const,
  );
  return { status, latency_ms: Math.round((performance.now() - asked) * 10) / 10 };
}

/** One run at a time; whoever asks meanwhile gets its result. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => (running ??= ask().finally(() => (running = undefined)));
}
