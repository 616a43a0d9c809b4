import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../fault';

const EVERY_MS = 200;

/** As an administrator does, or a failover of a proxy: every connection of the service goes, again and again. */
export const postgresTerminated: Fault = {
  name: 'postgres-terminated',
  title: 'PostgreSQL ends every connection, again and again (pg_terminate_backend)',
  promise: '503 for a request that loses its connection; nothing is half done',
  isQuick: true,
  run: (world) =>
    world.watch(async (watch) => {
      let ended = 0;
      const end = performance.now() + (world.isQuick ? 1_500 : 5_000);
      while (performance.now() < end) {
        const { rowCount } = await world.db.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE application_name LIKE 'user_service%' AND datname = current_database()`,
        );
        ended += rowCount ?? 0;
        await sleep(EVERY_MS);
      }
      if (ended === 0) watch.broken('the drill itself failed', 'there was no connection to end');
      watch.note(`${ended} connections ended`);
    }),
};
