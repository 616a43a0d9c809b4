import { Redis } from 'ioredis';
import { newId } from '../../src/common/ids';

const AT_ONCE = 1_000;

/**
 * Gives so many other people the sessions of this one, as the service has written them.
 * @param each sessions of the model.
 * @returns bytes of Redis for each session.
 */
export async function copySessions(
  redis: Redis,
  userId: string,
  people: number,
  each: number,
): Promise<number> {
  const keyOf = (id: string): string => `sessions:{${id}}`;
  const model = await redis.dumpBuffer(keyOf(userId));
  const life = await redis.pttl(keyOf(userId));
  if (!model || life <= 0) throw new Error('there are no sessions to copy');
  const before = await usedMemory(redis);
  for (let made = 0; made < people; made += AT_ONCE) {
    const batch = redis.pipeline();
    for (let i = made; i < Math.min(people, made + AT_ONCE); i++) batch.restore(keyOf(newId()), life, model);
    const answers = (await batch.exec()) ?? [];
    for (const [error] of answers) if (error) throw error;
  }
  return ((await usedMemory(redis)) - before) / (people * each);
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
}
