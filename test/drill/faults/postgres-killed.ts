import { Fault } from '../fault';

export const postgresKilled: Fault = {
  name: 'postgres-killed',
  title: 'PostgreSQL is killed and starts again',
  promise: '503 at once where PostgreSQL is needed; what was committed stays',
  isQuick: true,
  run: (world) =>
    world.watch(
      async (watch) => {
        await world.servers.killPostgres();
        await watch.last(5, 1);
        await world.servers.restartPostgres();
      },
      { refuses: true },
    ),
};
