import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, QueryRunner } from 'typeorm';

/**
 * PostgreSQL ends a session that is silent for so long: a process that hangs, or whose machine is gone, does not keep the
 * lock. Without it that takes as long as TCP takes to notice, which may be hours.
 */
const SILENCE_MS = 15_000;

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
  silenceMs = SILENCE_MS,
): Promise<T | null> {
  const runner = source.createQueryRunner();
  try {
    const [row] = await runner.manager.query<{ locked: boolean }[]>(
      'SELECT pg_try_advisory_lock($1::int, $2::int) AS locked',
      [...lock],
    );
    if (!row?.locked) return null;
    const over = new AbortController();
    const speaking = speak(runner, silenceMs, over.signal);
    try {
      return await work();
    } finally {
      over.abort();
      await speaking;
      await free(runner, lock);
    }
  } finally {
    await runner.release();
  }
}

/** Until it is over, or the connection lost. */
async function speak(runner: QueryRunner, silenceMs: number, over: AbortSignal): Promise<void> {
  try {
    await runner.query(`SELECT set_config('idle_session_timeout', $1, false)`, [String(silenceMs)]);
    while (!over.aborted) {
      await sleep(silenceMs / 5, undefined, { signal: over, ref: false });
      await runner.query('SELECT');
    }
  } catch {
    // The work goes on: it is harmless when another process does it too.
  }
}

/** Where that fails the connection goes, and the lock with it. */
async function free(runner: QueryRunner, lock: readonly [number, number]): Promise<void> {
  try {
    await runner.query('SELECT pg_advisory_unlock($1::int, $2::int)', [...lock]);
    await runner.query('RESET idle_session_timeout');
  } catch {
    await runner.query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
  }
}
