import { Redis } from 'ioredis';
import { primaryOnly } from './primary-only';

/** Never there, under a name that whoever may write sessions may write. To delete it is what a replica refuses. */
export const NO_KEY = 'sessions:{none}';
const ROLE = `${primaryOnly}return 1`;

/** Resolves when Redis takes a write. Of a cluster, whose parts are away one by one, any node may answer. */
export async function askToWrite(redis: Redis): Promise<void> {
  await (redis.isCluster ? redis.ping() : redis.del(NO_KEY));
}

/** Resolves when Redis answers as a primary, if only to who reads: a server that was demoted still answers a PING. */
export async function askPrimary(redis: Redis): Promise<void> {
  await askToWrite(redis).catch((error: Error) => requirePrimary(redis, error));
}

/**
 * Of what the deletion was refused for: one that lacks replicas (`min-replicas-to-write`) is a primary. One that cannot save
 * (`MISCONF`) says so before it looks at its role, and is asked for that again, by what reads: that goes on without a disk.
 * @throws where it is none.
 */
export async function requirePrimary(redis: Redis, refusal: Error): Promise<void> {
  if (refusal.message.startsWith('NOREPLICAS')) return;
  if (!refusal.message.startsWith('MISCONF')) throw refusal;
  await redis.eval(ROLE, 0);
}
