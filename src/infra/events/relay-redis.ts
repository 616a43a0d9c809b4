import { Redis } from 'ioredis';
import { Config } from '../../config/config';
import { withDeadline } from '../deadline';
import { connectRedis, onEveryConnection } from '../redis/connect-redis';
import { Superseded } from './superseded';

/** Never there; in the slot of the stream in a Redis Cluster. */
const NO_KEY = '{user_service:events}:none';

/**
 * The publisher's own connection to Redis. Effects reach into Redis whatever the target is, so the publisher has to know
 * when Redis may have lost its last writes.
 */
export class RelayRedis {
  /** Grows with every connection: after each one Redis may have lost its last writes. */
  connections = 0;
  private readonly redis: Redis;

  constructor(config: Config) {
    this.redis = connectRedis(config, {
      connectionName: `${config.APP_NAME}:relay`,
      commandTimeout: Math.min(config.REDIS_COMMAND_TIMEOUT_MS, 2_000),
      enableAutoPipelining: false,
      autoResendUnfulfilledCommands: false,
    });
    onEveryConnection(this.redis, () => this.connections++);
    // Whoever asks next is told; an unheard 'error' would be printed.
    this.redis.on('error', () => undefined);
  }

  /** Connects, and goes on trying by itself where that fails at first. */
  async open(): Promise<void> {
    await withDeadline(this.redis.connect(), 2_000, 'Redis').catch(() => undefined);
  }

  /** A connection that fails, or leads to a server that was demoted or emptied, is dropped with everything queued on it. */
  async ask<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      return await work(this.redis);
    } catch (error) {
      if (error instanceof Superseded) throw error;
      const { name, message } = error as Error;
      const answered = name === 'ReplyError' && !message.includes('READONLY');
      if (!answered && this.redis.status === 'ready') this.redis.disconnect(true);
      throw error;
    }
  }

  /** Finds out whether Redis is there and takes writes; a server that was demoted keeps its connections. */
  async touch(): Promise<void> {
    await this.ask((redis) => redis.del(NO_KEY));
  }

  close(): void {
    this.redis.disconnect();
  }
}
