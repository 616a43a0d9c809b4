import { Fault } from '../fault';

/** Connections stay open, and nothing answers: what a machine does that swaps, or a network that drops everything. */
export const redisFrozen: Fault = {
  name: 'redis-frozen',
  title: 'Redis hangs (SIGSTOP)',
  promise: '503 within 2 s where Redis is needed; nobody is signed out',
  isQuick: true,
  run: (world) =>
    world.watch(
      async (watch) => {
        world.servers.freezeRedis();
        await watch.last(5, 2);
        world.servers.thawRedis();
      },
      { refuses: true },
    ),
};
