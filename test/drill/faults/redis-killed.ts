import { Fault } from '../fault';

export const redisKilled: Fault = {
  name: 'redis-killed',
  title: 'Redis is killed and starts again',
  promise: '503 at once where Redis is needed; nobody is signed out',
  isQuick: true,
  run: (world) =>
    world.watch(
      async (watch) => {
        await world.servers.killRedis();
        await watch.last(5, 1);
        await world.servers.restartRedis();
      },
      { refuses: true },
    ),
};
