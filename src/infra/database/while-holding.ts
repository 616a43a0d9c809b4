import { DataSource } from 'typeorm';

/**
 * Runs work that one process of the fleet does at a time, on a connection that holds the lock and does nothing else. A
 * process that dies frees it; one that loses the connection does not notice, so the work must be harmless if done twice.
 * @param lock one of `advisoryLocks`.
 * @returns null where another process has the lock.
 */
export async function whileHolding<T>(
  source: DataSource,
  lock: readonly [number, number],
  work: () => Promise<T>,
): Promise<T | null> {
  const runner = source.createQueryRunner();
  try {
    const [row] = await runner.manager.query<{ locked: boolean }[]>(
      'SELECT pg_try_advisory_lock($1::int, $2::int) AS locked',
      [...lock],
    );
    if (!row?.locked) return null;
    try {
      return await work();
    } finally {
      // Where it fails the connection is lost, and the lock with it.
      await runner.query('SELECT pg_advisory_unlock($1::int, $2::int)', [...lock]).catch(() => undefined);
    }
  } finally {
    await runner.release();
  }
}
