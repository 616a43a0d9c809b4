import { Fault } from '../fault';

export const redisEmptied: Fault = {
  name: 'redis-emptied',
  title: 'Redis is emptied (FLUSHALL)',
  promise:
    'everybody signs in again, at once; nobody gets in with an old session; events of the last ten minutes are published again',
  isQuick: true,
  run: (world) =>
    world.watch(async (watch) => {
      const held = watch.cast.excuse();
      await world.redis.flushall();
      for (const tokens of held) watch.cast.bury(tokens, 'was in a Redis that was emptied');
    }),
};
