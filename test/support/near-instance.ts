import { Redis } from 'ioredis';
import { Config } from '../../src/config/config';
import { NearCache } from '../../src/infra/near/near-cache';
import { connectRedis } from '../../src/infra/redis/connect-redis';
import { eventually } from './app';

/** As much of an instance as remembers: a connection to Redis and the cache before it. */
export class NearInstance {
  private constructor(
    readonly redis: Redis,
    readonly near: NearCache,
  ) {}

  static async start(config: Config): Promise<NearInstance> {
    const redis = connectRedis(config);
    redis.on('error', () => undefined);
    await redis.connect();
    return new NearInstance(redis, new NearCache(redis, config));
  }

  remembered(key: string): string | undefined {
    return this.near.find<string>(key, 'value');
  }

  async read(key: string): Promise<string | null> {
    return (
      this.remembered(key) ??
      this.near.ask<string | null, string>(
        key,
        'value',
        {
          tracked: (pipeline) => pipeline.hget(key, 'value'),
          plain: () => this.redis.hget(key, 'value'),
        },
        (value) => value ?? undefined,
      )
    );
  }

  /** As whoever takes something away. */
  async write(key: string, value: string): Promise<void> {
    await this.redis.hset(key, 'value', value);
    await this.near.changed(key);
  }

  /** Until it answers from memory, with what is so. */
  async heat(key: string): Promise<void> {
    await eventually(
      async () => {
        const before = this.remembered(key) !== undefined;
        await this.read(key).catch(() => undefined);
        return before;
      },
      'an answer from memory',
      20_000,
    );
  }

  async stop(): Promise<void> {
    await this.near.beforeApplicationShutdown();
    this.near.onApplicationShutdown();
    this.redis.disconnect();
  }
}
