import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../fault';
import { World } from '../world';

/** Left when memory is full, bytes: less than any write needs. */
const HEADROOM = 64 * 1024;
const FILLER = 'drill:filler';
const PIECE = 8 * 1024;

/** noeviction: sessions are no cache. Whoever is signed in goes on reading; what would write is refused. */
export const redisFull: Fault = {
  name: 'redis-full',
  title: 'Redis is full (maxmemory, noeviction)',
  promise: '503 for what would write to Redis; sessions can be read and ended; nothing is evicted',
  isQuick: true,
  run: (world) =>
    world.watch(
      async ({ cast, witness }) => {
        const { people } = cast;
        const leaver = await people.enrol();
        const seconds = world.isQuick ? 1.5 : 5;
        try {
          await limit(world);
          for (const end = performance.now() + seconds * 1000; performance.now() < end; await sleep(100))
            await fill(world);
          const { status } = await people.signOut(witness.instances[0], leaver);
          if (status === 200) cast.bury(leaver, 'was signed out of a full Redis');
          else witness.findings.add(`a sign-out was answered ${status}`);
        } finally {
          await world.redis.config('SET', 'maxmemory', '0');
          await world.redis.del(FILLER);
        }
      },
      { refuses: true },
    ),
};

/** To little more than is in use. */
async function limit({ redis }: World): Promise<void> {
  const [, used] = /used_memory:(\d+)/.exec(await redis.info('memory')) ?? [];
  await redis.config('SET', 'maxmemory', String(Number(used) + HEADROOM));
}

/** Sessions that end make room again. */
async function fill({ redis }: World): Promise<void> {
  for (;;) {
    try {
      await redis.rpush(FILLER, randomBytes(PIECE).toString('latin1'));
    } catch (error) {
      if ((error as Error).message.startsWith('OOM')) return;
      throw error;
    }
  }
}
