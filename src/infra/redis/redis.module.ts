/**
 * The one Redis connection of a process, of a cluster one to each node: pipelined, with a deadline on every command, and
 * no queue while it is away, so that a dead Redis is an error within a second and never a hang. A node of a cluster that
 * is away takes its slots with it, and nothing else. Nothing is read from a replica.
 */
import { Global, Inject, Logger, Module, OnApplicationShutdown } from '@nestjs/common';
import { Redis } from 'ioredis';
import { CONFIG, Config } from '../../config/config';
import { connectRedis } from './connect-redis';

@Global()
@Module({
  providers: [
    {
      provide: Redis,
      inject: [CONFIG],
      useFactory: async (config: Config) => {
        const redis = connectRedis(config);
        const logger = new Logger('Redis');
        redis.on('error', (error: Error) => logger.warn(error.message));
        await redis.connect();
        return redis;
      },
    },
  ],
  exports: [Redis],
})
export class RedisModule implements OnApplicationShutdown {
  constructor(@Inject(Redis) private readonly redis: Redis) {}

  onApplicationShutdown(): void {
    this.redis.disconnect();
  }
}
