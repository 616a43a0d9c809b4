import { NestFactory } from '@nestjs/core';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, QueryResultRow } from 'pg';
import { AppModule } from '../../src/app.module';
import { DatabaseSource } from '../../src/audit/proof/database-source';
import { FileSource } from '../../src/audit/proof/file-source';
import { DayRange } from '../../src/audit/proof/proof-range';
import { ProofOptions, ProofReport, verifyChain } from '../../src/audit/proof/verify-chain';
import { writeExport } from '../../src/audit/proof/write-export';
import { SealDays } from '../../src/audit/seals/seal-days';
import { addDays } from '../../src/audit/seals/utc-day';
import { newId } from '../../src/common/ids';
import { Config, loadConfig } from '../../src/config/config';
import { CANONICAL_COLUMNS, CanonicalEvent, eventHash, linkHash } from '../../src/infra/events/chain-hash';
import { personalDigest } from '../../src/infra/events/personal-data';
import { createTestDatabase, TestDatabase } from './database';

export const EVERYTHING: DayRange = { from: null, to: null };
/** What a copy has for itself. */
const TABLES = [
  'signing_keys',
  'events',
  'event_personal_data',
  'event_outbox',
  'event_chain',
  'event_seals',
  'event_relay',
  'audit_retention',
];
/** UTC. */
export const TODAY = new Date().toISOString().slice(0, 10);
/** @param days negative: before today. */
export const dayFromToday = (days: number): string => addDays(TODAY, days);

/** A database with days of events, linked and sealed, for somebody to change. */
export class AuditWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'user-service-audit-'));

  private constructor(private readonly stores: TestDatabase) {
    writeFileSync(join(this.folder, 'master.key'), randomBytes(32).toString('hex'), { mode: 0o600 });
  }

  /** @param days events of each day, by its distance from today (negative). They are sealed unless it is said otherwise. */
  static async create(days: Record<number, number>, { sealed = true } = {}): Promise<AuditWorld> {
    const world = new AuditWorld(await createTestDatabase());
    const client = await connect(world.config.DATABASE_URL);
    await client.query('DELETE FROM event_outbox');
    for (const [day, count] of Object.entries(days).sort(([a], [b]) => Number(a) - Number(b)))
      await addDay(client, dayFromToday(Number(day)), count);
    await client.end();
    if (sealed) await world.seal();
    await world.ask(
      'CREATE SCHEMA kept',
      ...TABLES.map((table) => `CREATE TABLE kept.${table} AS TABLE ${table}`),
    );
    return world;
  }

  get config(): Config {
    return this.configOf(this.stores.databaseUrl);
  }

  configOf(databaseUrl: string): Config {
    return loadConfig({
      DATABASE_URL: databaseUrl,
      REDIS_URL: this.stores.redisUrl,
      LOCAL_KMS_KEY_PATH: join(this.folder, 'master.key'),
      PUBLIC_URL: 'http://id.test',
    });
  }

  /** Has the service's own code seal the days that are over. */
  async seal(databaseUrl = this.stores.databaseUrl): Promise<string[]> {
    const options = { logger: false, abortOnError: false } as const;
    const app = await NestFactory.createApplicationContext(
      AppModule.with(this.configOf(databaseUrl), { background: false }),
      options,
    );
    try {
      return await app.get(SealDays).run();
    } finally {
      await app.close();
    }
  }

  /** The database as it was when the world was made. One at a time: the one before is over. */
  async copy(): Promise<AuditCopy> {
    await this.ask(
      'SET session_replication_role = replica',
      ...TABLES.map((table) => `DELETE FROM ${table}`),
      ...TABLES.map((table) => `INSERT INTO ${table} OVERRIDING SYSTEM VALUE TABLE kept.${table}`),
    );
    return new AuditCopy(this, this.config);
  }

  /** As it is. */
  verify(): Promise<ProofReport> {
    return new AuditCopy(this, this.config).verify();
  }

  private async ask(...statements: string[]): Promise<void> {
    const client = await connect(this.config.DATABASE_URL);
    await client.query(statements.join(';'));
    await client.end();
  }

  async remove(): Promise<void> {
    await this.stores.drop();
    rmSync(this.folder, { recursive: true });
  }
}

/** The database, and what somebody with all rights on it can do. */
export class AuditCopy {
  private files = 0;

  constructor(
    private readonly world: AuditWorld,
    readonly config: Config,
  ) {}

  /** Statements of somebody whom no trigger stops. @returns the rows of the last. */
  async attack<Row extends QueryResultRow>(...statements: string[]): Promise<Row[]> {
    const client = await connect(this.config.DATABASE_URL);
    try {
      await client.query('SET session_replication_role = replica');
      let rows: Row[] = [];
      for (const statement of statements) ({ rows } = await client.query<Row>(statement));
      return rows;
    } finally {
      await client.end();
    }
  }

  /** Makes every link anew from a position on, as the relay does, and moves the chain's head with them. */
  async relink(from: number): Promise<void> {
    const client = await connect(this.config.DATABASE_URL);
    await client.query('SET session_replication_role = replica');
    await relinkFrom(client, from);
    await client.end();
  }

  seal(): Promise<string[]> {
    return this.world.seal(this.config.DATABASE_URL);
  }

  /** Another day of events. */
  async addDay(day: string, count: number): Promise<void> {
    const client = await connect(this.config.DATABASE_URL);
    await addDay(client, day, count);
    await client.end();
  }

  verify(range: Partial<DayRange> = {}, options: ProofOptions = {}): Promise<ProofReport> {
    const source = { range: { ...EVERYTHING, ...range }, content: 'with personal data' } as const;
    return DatabaseSource.read(this.config, source, (database) => verifyChain(database, options));
  }

  /** @returns the file. */
  async export(range: Partial<DayRange> = {}): Promise<string> {
    const file = join(
      this.world.folder,
      `${new URL(this.config.DATABASE_URL).pathname.slice(1)}-${++this.files}`,
    );
    const out = createWriteStream(file);
    const source = { range: { ...EVERYTHING, ...range }, content: 'without personal data' } as const;
    await DatabaseSource.read(this.config, source, (database) =>
      writeExport(database, out, { issuer: 'http://id.test', exportedAt: new Date() }),
    );
    out.end();
    await finished(out);
    return file;
  }

  verifyFile(file: string, options: ProofOptions = {}): Promise<ProofReport> {
    return verifyChain(new FileSource(file), options);
  }
}

/** `kind@position`, or `none`. */
export const verdict = ({ findings: { first } }: ProofReport): string =>
  first ? `${first.kind}@${first.position ?? 'none'}` : 'as it was';

/** Events of a day, with personal data, linked that day. */
async function addDay(client: Client, day: string, count: number): Promise<void> {
  await client.query(`SELECT ensure_event_partitions($1::date, 1)`, [day]);
  const { rows } = await client.query<{ position: string }>(
    'SELECT chain_position AS position FROM event_relay',
  );
  const first = Number(rows[0]!.position) + 1;
  for (let i = 0; i < count; i++) {
    const eventId = newId();
    const userId = newId();
    const salt = randomBytes(16);
    const content = { ip: '203.0.113.7', user_agent: 'test "browser"' };
    const time = `${day}T10:00:${String(i % 60).padStart(2, '0')}.${String(i).padStart(6, '0')}Z`;
    await client.query(
      `INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, resource, data, metadata, personal_digests)
       VALUES ($1, 'user.updated', $2, 'user-service', 'normal', $3, $3, NULL, $4, $5, $6)`,
      [
        eventId,
        time,
        `user:${userId}`,
        { fields: [`name ${i}`], b: 1.5, a: null },
        { request_id: 'r1' },
        { metadata: personalDigest(salt, content) },
      ],
    );
    await client.query(
      `INSERT INTO event_personal_data (event_id, "timestamp", part, user_id, salt, content) VALUES ($1, $2, 'metadata', $3, $4, $5)`,
      [eventId, time, userId, salt, content],
    );
    await client.query(
      `INSERT INTO event_chain (position, day, event_id, "timestamp", event_hash, hash) VALUES ($1, $2, $3, $4, '', '')`,
      [first + i, day, eventId, time],
    );
  }
  await client.query('SET session_replication_role = replica');
  await relinkFrom(client, first);
  await client.query('SET session_replication_role = origin');
  await client.query('UPDATE event_relay SET published_position = chain_position, published_day = chain_day');
  await client.query('UPDATE webhook_fan_out SET position = (SELECT chain_position FROM event_relay)');
}

async function relinkFrom(client: Client, from: number): Promise<void> {
  const { rows: links } = await client.query<CanonicalEvent & { position: string; day: string }>(
    `SELECT c.position, c.day::text AS day, ${CANONICAL_COLUMNS}
     FROM event_chain c JOIN events e ON e.event_id = c.event_id AND e."timestamp" = c."timestamp"
     WHERE c.position >= $1 ORDER BY c.position`,
    [from],
  );
  const { rows: before } = await client.query<{ hash: Buffer }>(
    'SELECT hash FROM event_chain WHERE position = $1',
    [from - 1],
  );
  let hash = before[0]?.hash ?? Buffer.alloc(32);
  for (const link of links) {
    const event = eventHash(link);
    hash = linkHash(hash, Number(link.position), event);
    await client.query('UPDATE event_chain SET event_hash = $2, hash = $3 WHERE position = $1', [
      link.position,
      event,
      hash,
    ]);
  }
  const last = links.at(-1);
  if (last)
    await client.query('UPDATE event_relay SET chain_position = $1, chain_hash = $2, chain_day = $3', [
      last.position,
      hash,
      last.day,
    ]);
}

export async function connect(databaseUrl: string): Promise<Client> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  // A test drops databases under it.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

export const withDatabase = (url: string, name: string): string =>
  Object.assign(new URL(url), { pathname: `/${name}` }).href;
