import { setTimeout as sleep } from 'node:timers/promises';
import { Client, PoolClient } from 'pg';
import { Fault } from '../fault';
import { World } from '../world';

const TAKERS = 4;

/** The worst of it: others take every connection there is, also those that the service had. */
export const postgresExhausted: Fault = {
  name: 'postgres-exhausted',
  title: 'Others take all connections of PostgreSQL',
  promise: '503 within 2 s where PostgreSQL is needed and no connection is left',
  isQuick: true,
  run: (world) =>
    world.watch(
      async (watch) => {
        // One is the operator's, who would not get in later.
        const operator = await world.db.connect();
        const taken: Client[] = [];
        let isTaking = true;
        const taking = Array.from({ length: TAKERS }, () => take(world, taken, () => isTaking));
        try {
          const end = performance.now() + (world.isQuick ? 1_500 : 5_000);
          for (; performance.now() < end; await sleep(50)) await endService(operator);
          watch.note(`${taken.length} connections taken`);
        } finally {
          isTaking = false;
          await Promise.all(taking);
          await Promise.all(taken.map((client) => client.end()));
          operator.release();
        }
      },
      { refuses: true },
    ),
};

/** Takes what there is, until told to stop. */
async function take({ servers }: World, taken: Client[], goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    const client = new Client({ connectionString: servers.databaseUrl, application_name: 'others' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      taken.push(client);
    } catch {
      await client.end().catch(() => undefined);
      await sleep(10);
    }
  }
}

/** The others are waiting for what it had. */
async function endService(operator: PoolClient): Promise<void> {
  await operator.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name LIKE 'user_service%' AND datname = current_database()`,
  );
}
