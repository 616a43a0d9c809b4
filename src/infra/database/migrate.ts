import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, MigrationExecutor, QueryRunner } from 'typeorm';
import { Config } from '../../config/config';
import { advisoryLocks } from './advisory-locks';
import { dataSourceOptions } from './data-source-options';
import { MIGRATIONS_TABLE, MigrationClass } from './pending-migrations';

const WAIT_MS = 120_000;
const LOCK_MS = 5_000;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Runs the steps that the database lacks, each in a transaction of its own. Of several processes that start together
 * one runs them; the others wait for it and find nothing left to do.
 * @returns names of the steps that this call ran, oldest first.
 * @throws Error when a step fails (those before it stay), waits five seconds for a lock, or another process keeps
 * migrating for two minutes.
 */
export async function migrate(config: Config, migrations: readonly MigrationClass[]): Promise<string[]> {
  return exclusively(config, migrations, async (executor) => {
    const executed = await executor.executePendingMigrations();
    return executed.map((migration) => migration.name);
  });
}

/** Takes back the last step that was run, if there is one. Data of its tables is lost. @returns its name. */
export async function undoLastMigration(
  config: Config,
  migrations: readonly MigrationClass[],
): Promise<string | null> {
  return exclusively(config, migrations, async (executor) => {
    const [last] = await executor.getExecutedMigrations();
    if (last) await executor.undoLastMigration();
    return last?.name ?? null;
  });
}

/** The lock, the steps and the record of them share one session, so that losing the lock is losing the step in hand. */
async function exclusively<T>(
  config: Config,
  migrations: readonly MigrationClass[],
  work: (executor: MigrationExecutor) => Promise<T>,
): Promise<T> {
  const dataSource = new DataSource(
    dataSourceOptions(config, {
      migrations: [...migrations],
      migrationsTableName: MIGRATIONS_TABLE,
      poolSize: 2,
      connectTimeoutMS: 5_000,
      // A step may rewrite a large table: the deadlines of requests don't fit. But while one waits for a lock, everybody who
      // comes after waits behind it.
      extra: { statement_timeout: 0, lock_timeout: LOCK_MS, keepAlive: true },
    }),
  );
  await dataSource.initialize();
  try {
    const runner = dataSource.createQueryRunner();
    await lock(runner);
    const executor = new MigrationExecutor(dataSource, runner);
    executor.transaction = 'each';
    return await work(executor);
  } catch (error) {
    if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
    throw new Error(
      `somebody has held a lock on a table for ${LOCK_MS / 1000} s (a backup, or a verification of the audit log): nothing of this step was done, try again later`,
      { cause: error },
    );
  } finally {
    // Ends the session, which frees the lock.
    await dataSource.destroy();
  }
}

/** Asks again and again, because a session that waits inside PostgreSQL would block CREATE INDEX CONCURRENTLY. */
async function lock(runner: QueryRunner): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const [row] = (await runner.query('SELECT pg_try_advisory_lock($1::int, $2::int) AS locked', [
      ...advisoryLocks.migrations,
    ])) as { locked: boolean }[];
    if (row?.locked) return;
    if (performance.now() > deadline) {
      throw new Error(`another process has been migrating this database for ${WAIT_MS / 1000} s`);
    }
    await sleep(200);
  }
}
