import { Redis } from 'ioredis';

/** A name that whoever may write sessions may write. */
const NO_KEY = 'sessions:{none}';

/**
 * Resolves when Redis answers and takes writes: deletes what is never there, because a server that was demoted still answers a
 * PING. Of a cluster, whose parts are away one by one, when any primary answers.
 */
export async function askPrimary(redis: Redis): Promise<void> {
  await (redis.isCluster ? redis.ping() : redis.del(NO_KEY));
}
