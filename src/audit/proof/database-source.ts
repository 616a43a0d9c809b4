import { Client } from 'pg';
import { CANONICAL_COLUMNS, CanonicalEvent } from '../../infra/events/chain-hash';
import { AuditKey, readAuditKeys } from '../seals/audit-key';
import { Seal, SEAL_COLUMNS, SealRow, toSeal } from '../seals/seal';
import { DatabaseDoubts } from './database-doubts';
import { Findings } from './finding';
import { LINK_COLUMNS, LinkRow, toLink } from './link-row';
import { DayRange, startOfProof } from './proof-range';
import { CannotCheck, ChainLink, ChainPlace, ProofEnd, ProofSource, ProofStart } from './proof-source';

const BATCH = 2_000;
/** Of one statement; none is about more than one pass over the tables. */
const STATEMENT_MS = 30 * 60_000;

/** With the event's personal data, or without. */
type Content = 'with personal data' | 'without personal data';

/**
 * The chain as it is in a database at one moment: a read-only transaction on a connection of its own, so that a service
 * which goes on writing meanwhile is neither disturbed nor seen.
 */
export class DatabaseSource implements ProofSource {
  private readonly client: Client;
  private start!: ChainPlace;
  private head!: ChainPlace;

  private constructor(
    databaseUrl: string,
    applicationName: string,
    private readonly range: DayRange,
    private readonly content: Content,
  ) {
    this.client = new Client({
      connectionString: databaseUrl,
      application_name: `${applicationName}:proof`,
      connectionTimeoutMillis: 10_000,
      statement_timeout: STATEMENT_MS,
      keepAlive: true,
    });
    // Whoever asks next is told; an unheard 'error' would end the process.
    this.client.on('error', () => undefined);
  }

  /** Runs work on the present state. @throws CannotCheck where the database cannot be reached, or fails in between. */
  static async read<T>(
    config: { DATABASE_URL: string; APP_NAME: string },
    { range, content }: { range: DayRange; content: Content },
    work: (source: DatabaseSource) => Promise<T>,
  ): Promise<T> {
    const source = new DatabaseSource(config.DATABASE_URL, config.APP_NAME, range, content);
    try {
      await source.client.connect();
      await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      return await work(source);
    } catch (error) {
      throw 'code' in (error as Error) ? new CannotCheck(reasonOf(error as Error), { cause: error }) : error;
    } finally {
      await source.client.end().catch(() => undefined);
    }
  }

  async begin(): Promise<ProofStart> {
    const { from, to } = this.range;
    const [state] = await this.query<{ position: string; hash: Buffer; dropped: string | null }>(
      `SELECT chain_position AS position, chain_hash AS hash, dropped_before::text AS dropped
       FROM event_relay, audit_retention`,
    );
    if (!state) throw new CannotCheck('the tables of the event chain are empty');
    this.head = { position: Number(state.position), hash: state.hash };
    const seals = await this.seals();
    const said = await this.said();
    const dropped = state.dropped && said.before && [state.dropped, said.before].sort()[0]!;
    this.start = startOfProof(seals, from, dropped);
    return {
      from,
      to,
      droppedBefore: dropped,
      droppedElsewhere: said.elsewhere,
      keys: await this.keys(),
      seals,
      start: this.start,
      // Without an end that was asked for nothing may be missing: somebody may have cut off what is newest.
      end: to === null ? null : { day: to, linkedUntil: to, of: 'range' },
      expected: this.head.position - this.start.position,
    };
  }

  /** Reads a batch while the one before is being worked on: the two take about as long. */
  async *links(): AsyncGenerator<ChainLink[]> {
    // Along both primary keys: nothing is sorted or kept, and the first rows come at once.
    await this.query('SET LOCAL enable_hashjoin = off');
    await this.query('SET LOCAL enable_mergejoin = off');
    const columns = this.content === 'with personal data' ? `${LINK_COLUMNS}, ${PERSONAL}` : LINK_COLUMNS;
    await this.query(
      `DECLARE links NO SCROLL CURSOR FOR
       SELECT ${columns}, ${CANONICAL_COLUMNS}
       FROM event_chain c LEFT JOIN events e ON e.event_id = c.event_id AND e."timestamp" = c."timestamp"
       WHERE c.position > ${this.start.position} ${this.range.to ? `AND c.day <= '${this.range.to}'` : ''}
       ORDER BY c.position, c.day`,
    );
    const fetch = (): Promise<LinkRow[]> => this.query<LinkRow>(`FETCH ${BATCH} FROM links`);
    for (let next = fetch(); ;) {
      const rows = await next;
      const isLast = rows.length < BATCH;
      if (!isLast) {
        next = fetch();
        // Told where it is awaited.
        next.catch(() => undefined);
      }
      yield rows.map(toLink);
      if (isLast) break;
    }
    await this.query('CLOSE links');
  }

  async end(findings: Findings): Promise<ProofEnd> {
    const doubts = await this.doubts();
    for (const finding of await doubts.all()) findings.add(finding);
    const { to } = this.range;
    const [outbox] = await this.query<{ today: string; unlinked: number; day: string }>(
      `SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date::text AS today,
         (SELECT count(*) FROM event_outbox)::int AS unlinked, (SELECT chain_day::text FROM event_relay) AS day`,
    );
    if (outbox!.day > outbox!.today)
      findings.add({
        kind: 'seal',
        position: null,
        day: outbox!.day,
        eventId: null,
        detail: `the chain is at a day that has not come: nothing is sealed until ${outbox!.day} is over`,
      });
    return { head: to && to < outbox!.today ? null : this.head, unlinked: outbox!.unlinked };
  }

  /** Events that have no link, and do not wait for one: nobody recorded them. */
  async strays(): Promise<CanonicalEvent[]> {
    return (await this.doubts()).strays();
  }

  async seals(): Promise<Seal[]> {
    const rows = await this.query<SealRow>(
      `SELECT ${SEAL_COLUMNS} FROM event_seals WHERE $1::date IS NULL OR event_seals.day <= $1 ORDER BY event_seals.day`,
      [this.range.to],
    );
    return rows.map(toSeal);
  }

  async keys(): Promise<AuditKey[]> {
    return readAuditKeys((sql) => this.query(sql));
  }

  /**
   * Before which day events were dropped, as events say; of those among the links that follow the way along the chain
   * proves that they are what was recorded. `elsewhere`: as the others say.
   */
  private async said(): Promise<{ before: string | null; elsewhere: string | null }> {
    const [said] = await this.query<{ before: string | null; elsewhere: string | null }>(
      `SELECT max(e.data->>'before') AS before, max(e.data->>'before') FILTER (WHERE e.event_id IN (
         SELECT event_id FROM event_outbox UNION ALL SELECT event_id FROM event_chain WHERE day > $1::date)) AS elsewhere
       FROM events e
       WHERE e.subject = 'audit:retention' AND e.event_type = 'audit.dropped'
         AND e.data->>'before' <= (e."timestamp" AT TIME ZONE 'UTC')::date::text`,
      [this.range.to],
    );
    return said!;
  }

  private async doubts(): Promise<DatabaseDoubts> {
    await this.query('SET LOCAL enable_hashjoin = on');
    await this.query('SET LOCAL enable_mergejoin = on');
    await this.query(`SET LOCAL work_mem = '64MB'`);
    return new DatabaseDoubts((sql, values) => this.query(sql, values), this.range);
  }

  private async query<Row extends object>(sql: string, values?: unknown[]): Promise<Row[]> {
    return (await this.client.query<Row>(sql, values)).rows;
  }
}

const PERSONAL = `CASE WHEN e.personal_digests IS NOT NULL THEN (
    SELECT json_agg(json_build_object('part', p.part, 'salt', encode(p.salt, 'hex'), 'content', p.content))
    FROM event_personal_data p WHERE p.event_id = e.event_id AND p."timestamp" = e."timestamp"
  ) END AS personal`;

const reasonOf = (error: Error): string =>
  `PostgreSQL: ${error.message || String((error as { code?: string }).code)}`;
