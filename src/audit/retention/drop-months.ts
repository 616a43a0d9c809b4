import { Inject, Injectable } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { systemCaller } from '../../common/caller';
import { newId } from '../../common/ids';
import { CONFIG, Config } from '../../config/config';
import { dataSourceOptions } from '../../infra/database/data-source-options';
import { Events } from '../../infra/events/events';

/** Nobody records events while months go. */
const DROP_MS = 60_000;
/**
 * A count reads every event that goes: of a big table that takes minutes, and a job has its slot for as long, of which a
 * process has three at most. It ends with the job's signal.
 */
const COUNT_MS = 30 * 60_000;
const RAISED = 'P0001';

/** The months are not sealed, not published, not over: they stay. */
export class MustStay extends Error {
  override readonly name = 'MustStay';
}

/**
 * Drops events by whole months, with what belongs to them; their seals stay, and an event says so, which is what the
 * verification believes. The database itself (`drop_audit_months`, migration 0012) refuses to drop what is not sealed,
 * published, and offered to webhooks.
 */
@Injectable()
export class DropMonths {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly events: Events,
  ) {}

  /**
   * On a connection of its own: partitions of a big table go slower than a request may take.
   * @param before first day of the first month that stays.
   * @param dryRun only tells.
   * @param signal ends it, also what PostgreSQL is at: nobody would hear of the end of a count, and others begin it anew.
   * @returns the partitions that go. @throws MustStay, Error of PostgreSQL (a lock that was not to be had: try again)
   */
  async run(
    before: string,
    { dryRun = false, signal }: { dryRun?: boolean; signal?: AbortSignal } = {},
  ): Promise<string[]> {
    signal?.throwIfAborted();
    const source = new DataSource(
      dataSourceOptions(this.config, {
        applicationName: `${this.config.APP_NAME}:retention`,
        // The second ends the first.
        poolSize: 2,
        connectTimeoutMS: 5_000,
        extra: { statement_timeout: COUNT_MS, query_timeout: COUNT_MS + 1_000 },
      }),
    );
    try {
      await source.initialize();
      return dryRun ? await call(source, before, true) : await this.drop(source, before, signal);
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      throw code === RAISED ? new MustStay(message, { cause: error }) : error;
    } finally {
      if (source.isInitialized) await source.destroy().catch(() => undefined);
    }
  }

  private async drop(source: DataSource, before: string, signal?: AbortSignal): Promise<string[]> {
    const runner = source.createQueryRunner();
    let stop: (() => void) | undefined;
    try {
      const [{ pid }] = await runner.manager.query<[{ pid: number }]>('SELECT pg_backend_pid() AS pid');
      signal?.throwIfAborted();
      stop = () => void source.query('SELECT pg_terminate_backend($1)', [pid]).catch(() => undefined);
      signal?.addEventListener('abort', stop, { once: true });
      return await this.dropCounted(runner.manager, before);
    } finally {
      if (stop) signal?.removeEventListener('abort', stop);
      await runner.release();
    }
  }

  private async dropCounted(db: EntityManager, before: string): Promise<string[]> {
    // Before anything is counted, for that may take minutes.
    await call(db, before, true);
    // Counted first: nobody may write while the months go, and nobody writes into them any more.
    const [old] = await db.query<[{ events: number; sealed: boolean | null }]>(
      `SELECT (SELECT count(*) FROM events WHERE "timestamp" < $1::date::timestamp AT TIME ZONE 'UTC')::float AS events,
         (SELECT min(day) < $1::date FROM event_seals) AS sealed`,
      [before],
    );
    return db.transaction(async (tx) => {
      await tx.query(`SET LOCAL statement_timeout = ${DROP_MS}`);
      const dropped = await call(tx, before, false);
      if (old.events > 0 || old.sealed)
        await this.events.record(tx, systemCaller(newId()), {
          type: 'audit.dropped',
          subject: 'audit:retention',
          data: { before, events: old.events },
        });
      return dropped;
    });
  }
}

async function call(db: Pick<EntityManager, 'query'>, before: string, dryRun: boolean): Promise<string[]> {
  const rows = await db.query<{ name: string }[]>(
    'SELECT drop_audit_months AS name FROM drop_audit_months($1::date, $2)',
    [before, dryRun],
  );
  return rows.map(({ name }) => name);
}
