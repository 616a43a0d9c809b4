import { Redis, RedisOptions } from 'ioredis';
import { Config } from '../../config/config';
import { redisNodes } from '../../config/redis-nodes';
import { ImpatientRedis } from './impatient-redis';
import { RedisCluster } from './redis-cluster';

const SLOWEST_MS = 500;

/**
 * A connection with deadlines; call `.connect()` on it. ioredis' defaults wait for a dead Redis for ever. Where REDIS_URL
 * names several nodes it is a cluster client: its commands are the same, as long as the keys of one share a slot.
 */
export function connectRedis(config: Config, more: RedisOptions = {}): Redis {
  const { enableAutoPipelining, ...connection }: RedisOptions = {
    connectionName: config.APP_NAME,
    connectTimeout: 1000,
    commandTimeout: config.REDIS_COMMAND_TIMEOUT_MS,
    // A command that a connection took with it may have been carried out: whoever asked is told at once, and nothing
    // happens twice.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableAutoPipelining: true,
    ...more,
  };
  const nodes = redisNodes(config.REDIS_URL);
  if (nodes.length > 1) {
    const redisOptions = { ...connection, ...credentials(nodes[0]!) };
    return new RedisCluster(nodes.map(address), { enableAutoPipelining, redisOptions }) as unknown as Redis;
  }
  const redis = new ImpatientRedis(config.REDIS_URL, {
    lazyConnect: true,
    enableOfflineQueue: false,
    enableAutoPipelining,
    ...connection,
  });
  // A server that was demoted takes every connection: without a pause there would be twenty a second.
  redis.options.retryStrategy = (attempt) =>
    performance.now() - redis.demotedAt < SLOWEST_MS ? SLOWEST_MS : Math.min(attempt * 50, SLOWEST_MS);
  return redis;
}

/** Hears of each connection, after which Redis may have lost its last writes; of a cluster, of each to any primary. */
export function onEveryConnection(redis: Redis, listener: () => void): void {
  redis.on(redis.isCluster ? 'changed' : 'ready', listener);
}

const address = ({ hostname, port }: URL): { host: string; port: number } => ({
  host: hostname.replace(/^\[|\]$/g, ''),
  port: Number(port) || 6379,
});

const credentials = ({ protocol, username, password }: URL): RedisOptions => ({
  ...(username && { username: decodeURIComponent(username) }),
  ...(password && { password: decodeURIComponent(password) }),
  ...(protocol === 'rediss:' && { tls: {} }),
});
