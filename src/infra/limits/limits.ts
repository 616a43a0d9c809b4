import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { rateLimited } from '../../common/common.errors';
import { limitRefusals } from './limit-metrics';

/** At most `points` uses in `seconds`, counted from the first. */
export interface Limit {
  name: string;
  points: number;
  seconds: number;
}

/** How long to wait, and whether anybody has been told yet. */
export interface Refusal {
  retryAfter: number;
  /** Whether this is the first refusal of its window. */
  first: boolean;
}

/**
 * Counts uses in Redis, for all instances together. Fails closed: while Redis is away nothing that is limited goes on.
 * Keys are hashed, so that Redis holds no addresses in the clear.
 */
@Injectable()
export class Limits {
  private readonly limiters = new Map<string, RateLimiterRedis>();

  constructor(private readonly redis: Redis) {
    // The first limiter of a connection gives it the script they all use. Were that while commands wait in a pipeline,
    // the pipeline would not know the script, and none of its callers would hear the right answer, or any.
    new RateLimiterRedis({ storeClient: redis, points: 1, duration: 1 });
  }

  /**
   * Takes one use of each, before the thing itself is tried: reading first and counting later would let a burst
   * of parallel tries through. All of one call share a network round trip.
   * @throws rate_limited with the longest wait.
   */
  async consume(...uses: [limit: Limit, key: string][]): Promise<void> {
    const refusal = await this.tryConsume(...uses);
    if (refusal) throw rateLimited({ retryAfter: refusal.retryAfter });
  }

  /** As `consume`; answers the refusal instead of throwing, null where all was allowed. */
  async tryConsume(...uses: [limit: Limit, key: string][]): Promise<Refusal | null> {
    const results = await Promise.all(uses.map(([limit, key]) => this.consumeOne(limit, key)));
    const refusals = results.filter((result) => result !== null);
    if (refusals.length === 0) return null;
    return {
      retryAfter: Math.max(...refusals.map((refusal) => refusal.retryAfter)),
      first: refusals.some((refusal) => refusal.first),
    };
  }

  /** Forgets what was used, for example after a success. */
  async reset(limit: Limit, key: string): Promise<void> {
    await this.limiter(limit).delete(hashed(key));
  }

  /** Gives one use back. */
  async giveBack(limit: Limit, key: string): Promise<void> {
    await this.limiter(limit).reward(hashed(key));
  }

  private async consumeOne(limit: Limit, key: string): Promise<Refusal | null> {
    try {
      await this.limiter(limit).consume(hashed(key));
      return null;
    } catch (refused) {
      if (!(refused instanceof RateLimiterRes)) throw refused;
      limitRefusals.inc({ limit: limit.name });
      return {
        retryAfter: Math.max(1, Math.ceil(refused.msBeforeNext / 1000)),
        first: refused.consumedPoints === limit.points + 1,
      };
    }
  }

  private limiter({ name, points, seconds }: Limit): RateLimiterRedis {
    const id = `${name}:${points}:${seconds}`;
    let limiter = this.limiters.get(id);
    if (!limiter) {
      limiter = new RateLimiterRedis({
        storeClient: this.redis,
        keyPrefix: `limit:${name}`,
        points,
        duration: seconds,
        rejectIfRedisNotReady: true,
      });
      this.limiters.set(id, limiter);
      // Prometheus sees no increase in a series that begins with one.
      limitRefusals.inc({ limit: name }, 0);
    }
    return limiter;
  }
}

const hashed = (key: string): string => createHash('sha256').update(key).digest('base64url').slice(0, 22);
