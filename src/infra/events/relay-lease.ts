import { Socket } from 'node:net';
import { Client, QueryResultRow } from 'pg';
import { Config } from '../../config/config';
import { advisoryLocks } from '../database/advisory-locks';
import { prepared } from '../database/prepared';
import { withDeadline } from '../deadline';

const QUERY_MS = 3_000;
/** PostgreSQL ends a session that is silent for so long: a process that hangs or was stopped does not keep the lease. */
const SILENCE_MS = 5_000;
const TOUCH_MS = 1_000;

/** The lease's connection failed, and the lease with it: another process may be the publisher by now. */
export class LeaseLost extends Error {
  constructor(cause: unknown) {
    super(`PostgreSQL: ${(cause as Error).message}`, { cause });
    this.name = 'LeaseLost';
  }
}

/**
 * The right to publish: an advisory lock on a PostgreSQL connection of its own. One process in the fleet holds it, and
 * loses it with the connection. Everything the publisher asks of PostgreSQL goes through this connection, so that
 * whoever has lost the lease notices at the next statement.
 */
export class RelayLease {
  private readonly socket = new Socket();
  private readonly client: Client;
  private heardAt = 0;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(config: Config) {
    this.client = new Client({
      connectionString: config.DATABASE_URL,
      application_name: `${config.APP_NAME}:relay`,
      stream: () => this.socket,
      keepAlive: true,
      connectionTimeoutMillis: 2_000,
      query_timeout: QUERY_MS,
      statement_timeout: QUERY_MS,
      lock_timeout: 500,
    });
    // Whoever uses the connection next is told; an unheard 'error' would end the process.
    this.client.on('error', () => undefined);
  }

  /** @throws LeaseLost when PostgreSQL cannot be reached. */
  static async open(config: Config): Promise<RelayLease> {
    const lease = new RelayLease(config);
    try {
      await lease.client.connect();
      // Plans are kept, and made while the outbox is empty: they have to be those for a long one.
      await lease.query(
        `SELECT set_config('idle_session_timeout', $1, false), set_config('enable_seqscan', 'off', false),
           set_config('jit', 'off', false)`,
        [String(SILENCE_MS)],
      );
      return lease;
    } catch (error) {
      lease.destroy();
      throw error instanceof LeaseLost ? error : new LeaseLost(error);
    }
  }

  /** The term of the new publisher, greater than any before; null while another process publishes. */
  async acquire(): Promise<number | null> {
    const [lock] = await this.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock($1::int, $2::int) AS locked',
      [...advisoryLocks.eventRelay],
    );
    if (!lock?.locked) return null;
    const [relay] = await this.query<{ term: string }>(
      'UPDATE event_relay SET term = term + 1 RETURNING term',
    );
    return Number(relay?.term);
  }

  /** One statement after the other; those with parameters are planned once. @throws LeaseLost whatever went wrong. */
  async query<Row extends QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const mine = this.last.then(() => this.ask<Row>(sql, values));
    this.last = mine.catch(() => undefined);
    return mine;
  }

  private async ask<Row extends QueryResultRow>(sql: string, values: unknown[]): Promise<Row[]> {
    try {
      const { rows } = await this.client.query<Row>(prepared(sql, values));
      this.heardAt = performance.now();
      return rows;
    } catch (error) {
      throw new LeaseLost(error);
    }
  }

  /** Shows PostgreSQL that this process lives, and finds out whether it still holds the lease. */
  async touch(): Promise<void> {
    if (performance.now() - this.heardAt > TOUCH_MS) await this.query('SELECT 1');
  }

  /** Hands the lease back. */
  async close(): Promise<void> {
    try {
      await withDeadline(this.client.end(), 500, 'PostgreSQL');
    } catch {
      // The socket goes, and with it the session.
    } finally {
      this.destroy();
    }
  }

  /** Drops the lease without a word. */
  destroy(): void {
    this.socket.destroy();
  }
}
