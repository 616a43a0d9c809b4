import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { loadConfig } from '../../src/config/config';
import { connectRedis } from '../../src/infra/redis/connect-redis';

/** Where the servers of the run are, for the workers of jest. */
export const SHARED_SERVERS = 'TEST_SHARED_SERVERS';
/** A set in Redis database 0: the numbers that no spec is using. */
export const FREE_REDIS_DATABASES = 'free_databases';

export interface TestDatabase {
  databaseUrl: string;
  redisUrl: string;
  drop(): Promise<void>;
}

/**
 * A migrated database and an empty Redis database that nobody else uses. Channels of Redis are everybody's. Of a cluster,
 * which has no numbered databases, all of it: one spec at a time runs there.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const shared = JSON.parse(process.env[SHARED_SERVERS] ?? '{}') as Omit<TestDatabase, 'drop'>;
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const isCluster = shared.redisUrl.includes(',');
  const [number] = await Promise.all([
    isCluster ? emptyCluster(shared.redisUrl) : takeRedisDatabase(shared.redisUrl),
    // The first database of the run was migrated by its setup, and nobody is ever connected to it.
    inMaintenance(shared.databaseUrl, `CREATE DATABASE ${name} TEMPLATE user_service`),
  ]);
  return {
    databaseUrl: withPath(shared.databaseUrl, name),
    redisUrl: isCluster ? shared.redisUrl : withPath(shared.redisUrl, number),
    drop: async () => {
      await inMaintenance(shared.databaseUrl, `DROP DATABASE ${name} WITH (FORCE)`);
      if (!isCluster) await onRedis(shared.redisUrl, (redis) => redis.sadd(FREE_REDIS_DATABASES, number));
    },
  };
}

async function takeRedisDatabase(url: string): Promise<string> {
  return onRedis(url, async (redis) => {
    const number = await redis.spop(FREE_REDIS_DATABASES);
    if (!number) throw new Error('every Redis database is in use: does a spec not drop its own?');
    await redis.select(Number(number));
    await redis.flushdb();
    return number;
  });
}

async function emptyCluster(url: string): Promise<string> {
  const cluster = connectRedis(loadConfig({ REDIS_URL: url }));
  try {
    await cluster.connect();
    await cluster.flushdb();
    return '0';
  } finally {
    cluster.disconnect();
  }
}

async function onRedis<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1 });
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

async function inMaintenance(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: withPath(url, 'postgres'), connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function withPath(url: string, path: string): string {
  return Object.assign(new URL(url), { pathname: `/${path}` }).href;
}
