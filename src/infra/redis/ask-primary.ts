import { Redis } from 'ioredis';

/** Never there, under a name that whoever may write sessions may write. To delete it is what a replica refuses. */
export const NO_KEY = 'sessions:{none}';

/**
 * Resolves when Redis answers as a primary: a server that was demoted still answers a PING. Of a cluster, whose parts are away
 * one by one, when any primary answers.
 */
export async function askPrimary(redis: Redis): Promise<void> {
  if (redis.isCluster) return void (await redis.ping());
  await redis.del(NO_KEY).catch(requirePrimary);
}

/** @throws what the deletion was answered; but one that lacks replicas (`min-replicas-to-write`) is a primary. */
export function requirePrimary(error: Error): void {
  if (!error.message.startsWith('NOREPLICAS')) throw error;
}
