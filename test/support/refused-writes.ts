import { DataSource } from 'typeorm';

interface Refusal {
  table: string;
  /** As in CREATE TRIGGER: `INSERT`, `UPDATE OF access_token`. */
  of: string;
  /** Which rows, in SQL over NEW; all of them where absent. */
  when?: string;
  message: string;
  /** SQLSTATE, P0001 (raise_exception) where absent. */
  code?: string;
  /** Not at the statement, but as late as it can be: at the commit. */
  atCommit?: boolean;
}

/** A refusal as of a server that is stopped (admin_shutdown). */
export const SHUTTING_DOWN = { message: 'shutting down', code: '57P01' };

/**
 * Has PostgreSQL refuse a write from now on, as a full disk or a server that shuts down does.
 * @returns what ends it; the second call does nothing.
 */
export async function refuseWrites(db: DataSource, refusal: Refusal): Promise<() => Promise<void>> {
  const { table, of, when = 'true', message, code = 'P0001', atCommit = false } = refusal;
  const name = `refuse_${table}`;
  await db.transaction(async (tx) => {
    await tx.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    await tx.query(`
      CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION '${message}' USING ERRCODE = '${code}'; END $$`);
    await tx.query(`
      CREATE ${atCommit ? 'CONSTRAINT TRIGGER' : 'TRIGGER'} ${name} ${atCommit ? 'AFTER' : 'BEFORE'} ${of} ON ${table}
      ${atCommit ? 'DEFERRABLE INITIALLY DEFERRED' : ''}
      FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION ${name}()`);
  });
  return () =>
    db.transaction(async (tx) => {
      // A cascade takes the partitions before their table, whoever writes the other way round: a deadlock.
      await tx.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
      await tx.query(`DROP FUNCTION IF EXISTS ${name} CASCADE`);
    });
}
