import { setTimeout as sleep } from 'node:timers/promises';
import { EVENT_STREAM } from '../event-stream';
import { Fault } from '../fault';
import { GROUP } from '../subscriber';
import { World } from '../world';

const HOLDING = 'holding';
const ENTRIES = 5;
/** The others wait for a second before they take anything for abandoned. */
const CLAIMED_MS = 10_000;

/**
 * A consumer dies with entries in hand: it has read them, and has not said that it is done. Another one claims them
 * (XAUTOCLAIM). One that only reads stands for it, because nobody can tell when the other is between two commands; that
 * one is killed too, in the middle of its work.
 */
export const subscriberKilled: Fault = {
  name: 'subscriber-killed',
  title: 'A subscriber is killed before XACK',
  promise: 'another consumer of its group takes over what it had in hand; each event has its effect once',
  isQuick: true,
  run: (world) =>
    world.watch(
      async (watch) => {
        const { subscriber } = world;
        await subscriber.kill('first');
        await watch.last(1, 0.5);
        const held = await holdEntries(world);
        watch.note(`${held} entries in hand`);
        if (held === 0) watch.broken('the drill itself failed', 'there was nothing to hold');
        subscriber.start('second');
        await watch.last(3, 1);
        await subscriber.kill('second');
        subscriber.start('third');
      },
      {
        after: async (watch) => {
          let left = await pendingOf(world, HOLDING);
          for (const deadline = Date.now() + CLAIMED_MS; left > 0 && Date.now() < deadline; await sleep(100))
            left = await pendingOf(world, HOLDING);
          if (left > 0) watch.broken('entries of the dead consumer were left', String(left));
          await world.subscriber.kill('third');
          world.subscriber.start('first');
        },
      },
    ),
};

/** Reads as a member of the group, and never comes back. @returns how many it holds. */
async function holdEntries({ redis }: World): Promise<number> {
  await redis.xreadgroup('GROUP', GROUP, HOLDING, 'COUNT', ENTRIES, 'STREAMS', EVENT_STREAM, '>');
  return pendingOf({ redis }, HOLDING);
}

async function pendingOf({ redis }: Pick<World, 'redis'>, consumer: string): Promise<number> {
  return (await redis.xpending(EVENT_STREAM, GROUP, '-', '+', 1_000, consumer)).length;
}
