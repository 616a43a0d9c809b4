/**
 * A process that remembers, for tests that stop it (SIGSTOP); it runs what the last build made of the cache. It is told a
 * key, and tells its value and whether it was asked of Redis.
 */
const { connectRedis } = require('../../dist/src/infra/redis/connect-redis');
const { NearCache } = require('../../dist/src/infra/near/near-cache');
const config = JSON.parse(process.env.NEAR_CONFIG);

const redis = connectRedis(config);
redis.on('error', () => undefined);
const near = new NearCache(redis, config);

process.on('message', async (key) => {
  const kept = near.find(key, 'value');
  const plain = () => redis.hget(key, 'value');
  const tracked = (pipeline) => pipeline.hget(key, 'value');
  const read = () => near.ask(key, 'value', { tracked, plain }, (value) => value ?? undefined);
  const value = kept ?? (await read().catch(() => null));
  process.send?.({ value, remembered: kept !== undefined });
});
void redis.connect().then(() => process.send?.('ready'));
// The test has ended.
process.once('disconnect', () => void near.beforeApplicationShutdown().then(() => process.exit(0)));
