import { Redis, RedisOptions } from 'ioredis';
import { Config } from '../../config/config';
import { ImpatientRedis } from './impatient-redis';

/** A connection with deadlines; call `.connect()` on it. ioredis' defaults wait for a dead Redis for ever. */
export function connectRedis(config: Config, more: RedisOptions = {}): Redis {
  return new ImpatientRedis(config.REDIS_URL, {
    lazyConnect: true,
    connectionName: config.APP_NAME,
    connectTimeout: 1000,
    commandTimeout: config.REDIS_COMMAND_TIMEOUT_MS,
    // A command that a connection took with it may have been carried out: whoever asked is told at once, and nothing
    // happens twice.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    retryStrategy: (attempt) => Math.min(attempt * 50, 500),
    ...more,
  });
}
