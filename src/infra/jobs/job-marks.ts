import { Injectable } from '@nestjs/common';
import { Redis } from 'ioredis';

const SUCCEEDED = 'jobs:succeeded';

export interface JobMark {
  /** When the last time began, in milliseconds since the epoch, by the clock of whoever did it. */
  begunAt: number;
  /** Until the next time is due. */
  restMs: number;
}

/**
 * When jobs were done last, for all processes, in Redis. Where that is lost every job is due, which is harmless. Periods
 * are counted by Redis alone: clocks of machines differ.
 */
@Injectable()
export class JobMarks {
  constructor(private readonly redis: Redis) {}

  /** Null where the job is due. @throws Error while Redis is away. */
  async of(job: string): Promise<JobMark | null> {
    const [begunAt, restMs] = await Promise.all([this.redis.get(key(job)), this.redis.pttl(key(job))]);
    return begunAt === null || restMs <= 0 ? null : { begunAt: Number(begunAt), restMs };
  }

  /** A time is over: the next is due so many milliseconds from now. */
  async set(job: string, begunAt: number, restMs: number): Promise<void> {
    await this.redis.set(key(job), begunAt, 'PX', restMs);
  }

  async succeeded(job: string): Promise<void> {
    await this.redis.hset(SUCCEEDED, job, Date.now());
  }

  /** The last success of each job in milliseconds since the epoch, whichever process had it. */
  async successes(): Promise<Record<string, number>> {
    const times = await this.redis.hgetall(SUCCEEDED);
    return Object.fromEntries(Object.entries(times).map(([job, time]) => [job, Number(time)]));
  }
}

const key = (job: string): string => `job:${job}`;
