import { Fault } from '../fault';

export const postgresFrozen: Fault = {
  name: 'postgres-frozen',
  title: 'PostgreSQL hangs (SIGSTOP)',
  promise: '503 within 2 s where PostgreSQL is needed; nobody is signed out',
  isQuick: true,
  run: (world) =>
    world.watch(
      async (watch) => {
        world.servers.freezePostgres();
        await watch.last(5, 2);
        world.servers.thawPostgres();
      },
      { refuses: true },
    ),
};
