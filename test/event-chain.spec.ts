import { Logger } from '@nestjs/common';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { DatabaseSource } from '../src/audit/proof/database-source';
import { FileSource } from '../src/audit/proof/file-source';
import { verifyChain } from '../src/audit/proof/verify-chain';
import { writeExport } from '../src/audit/proof/write-export';
import { NO_EVENT } from '../src/infra/events/chain-hash';
import { Relay } from '../src/infra/events/relay';
import { verdict } from './support/audit-world';
import { createTestDatabase, TestDatabase } from './support/database';
import { EventWorld } from './support/event-world';
import { expectStreamOfChain, expectWholeChain } from './support/whole-chain';

describe('the hash chain of events', () => {
  let stores: TestDatabase;
  let world: EventWorld;
  let relay: Relay | undefined;
  const folder = mkdtempSync(join(tmpdir(), 'user-service-chain-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  const startRelay = (settings: Partial<EventWorld['config']> = {}): void => {
    relay = new Relay({ ...world.config, ...settings }, true);
    relay.onApplicationBootstrap();
  };
  const stopRelay = async (): Promise<void> => {
    await relay?.onApplicationShutdown();
    relay = undefined;
  };
  const recordMany = async (count: number, subject = 'user:1'): Promise<void> => {
    for (let i = 0; i < count; i++) await world.record(world.numbered(subject, i));
  };
  /** What somebody can do who owns the tables. */
  const removeEvents = (where: string): Promise<unknown> =>
    world.db.transaction(async (tx) => {
      await tx.query('ALTER TABLE events DISABLE TRIGGER events_append_only');
      await tx.query(`DELETE FROM events WHERE ${where}`);
      await tx.query('ALTER TABLE events ENABLE TRIGGER events_append_only');
    });
  const numbers = async (): Promise<number[]> =>
    (await world.streamed()).map((event) => Number(JSON.parse(event.data!).fields[0]));

  /** The first thing wrong, as the verification of the database and of an export says, and how many there are in the latter. */
  const proofs = async (): Promise<[string, string, number]> => {
    const range = { from: null, to: null };
    const file = join(folder, 'chain.ndjson');
    const live = await DatabaseSource.read(world.config, { range, content: 'with personal data' }, (source) =>
      verifyChain(source),
    );
    await DatabaseSource.read(world.config, { range, content: 'without personal data' }, async (source) => {
      const out = createWriteStream(file);
      await writeExport(source, out, { issuer: 'x', exportedAt: new Date() });
      out.end();
      await finished(out);
    });
    const report = await verifyChain(new FileSource(file));
    return [verdict(live), verdict(report), report.findings.total];
  };

  beforeAll(() => Logger.overrideLogger(false));
  beforeEach(async () => {
    stores = await createTestDatabase();
    world = await EventWorld.create(stores.databaseUrl, stores.redisUrl);
  });
  afterEach(async () => {
    await stopRelay();
    await world.close();
    await stores.drop();
  });

  it('gives every event a link while there is no Redis at all', async () => {
    startRelay({ REDIS_URL: 'redis://127.0.0.1:1' });
    await recordMany(1_200);
    await world.linked();
    expect((await expectWholeChain(world.db)).size).toBe(1_200);
    await stopRelay();
    startRelay();
    await world.published();
    await expectStreamOfChain(world);
  });

  it('is refused to be changed, deleted or emptied, in any of its tables', async () => {
    startRelay();
    await recordMany(2);
    await world.published();
    await world.db.query(`INSERT INTO event_seals VALUES ('2026-01-01', 1, 2, '\\x00', 'kid', 'jws', now())`);
    const partitions = await world.db.query(
      `SELECT DISTINCT tableoid::regclass::text AS name, 'actor' AS column FROM events
       UNION ALL SELECT DISTINCT tableoid::regclass::text, 'hash' FROM event_chain`,
    );
    for (const { name, column } of [
      { name: 'events', column: 'actor' },
      { name: 'event_chain', column: 'hash' },
      { name: 'event_seals', column: 'jws' },
      ...partitions,
    ]) {
      for (const sql of [
        `UPDATE ${name} SET ${column} = ${column}`,
        `DELETE FROM ${name}`,
        `TRUNCATE ${name}`,
      ])
        await expect(world.db.query(sql)).rejects.toThrow('events are append-only');
    }
    for (const name of ['events_default', 'event_chain_default'])
      await expect(world.db.query(`TRUNCATE ${name}`)).rejects.toThrow('events are append-only');
  });

  it('says for ever that an event was removed before it had its link, and goes on', async () => {
    await recordMany(700);
    await world.record(world.numbered('user:2', 7));
    await removeEvents(`subject = 'user:1'`);
    startRelay();
    await world.published();
    expect(await numbers()).toEqual([7]);
    const links = await world.db.query('SELECT event_hash FROM event_chain ORDER BY position');
    expect(links).toHaveLength(701);
    expect(links.filter((link: { event_hash: Buffer }) => link.event_hash.equals(NO_EVENT))).toHaveLength(
      700,
    );
    expect(links.at(-1).event_hash).not.toEqual(NO_EVENT);
    expect(await proofs()).toEqual(['removed@1', 'removed@1', 700]);
  });

  it('is not to be told otherwise by an event that comes back after its link', async () => {
    await recordMany(3);
    await world.db.query(`CREATE TABLE taken AS SELECT * FROM events WHERE data->'fields'->>0 = '1'`);
    await removeEvents(`data->'fields'->>0 = '1'`);
    startRelay();
    await world.published();
    await world.db.query('INSERT INTO events SELECT * FROM taken');
    expect(await proofs()).toEqual(['removed@2', 'removed@2', 1]);
  });

  it('is not to be told that events were dropped by retention, which were removed before their link', async () => {
    await recordMany(2);
    await removeEvents(`data->'fields'->>0 = '0'`);
    await world.record({
      type: 'audit.dropped',
      subject: 'audit:retention',
      data: { before: new Date().toISOString().slice(0, 10), events: 1 },
    });
    startRelay();
    await world.published();
    await world.db.query(`UPDATE audit_retention SET dropped_before = now()::date`);
    expect(await proofs()).toEqual(['removed@1', 'removed@1', 1]);
  });

  it('does the same with an event that cannot be hashed', async () => {
    await world.db.query(
      `WITH recorded AS (
         INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, data, metadata)
         VALUES (gen_random_uuid(), 'x', now(), 'x', 'low', 'user:1', 'x', '{"n": 1e400}', '{}') RETURNING *
       ) INSERT INTO event_outbox (event_id, "timestamp") SELECT event_id, "timestamp" FROM recorded`,
    );
    await recordMany(1);
    startRelay();
    await world.published();
    const [strange, plain] = await world.db.query('SELECT event_hash FROM event_chain ORDER BY position');
    expect(strange.event_hash).toEqual(NO_EVENT);
    expect(plain.event_hash).not.toEqual(NO_EVENT);
    expect(await proofs()).toEqual(['removed@1', 'removed@1', 1]);
  });

  it('lets those that follow be published when an event was removed behind its link', async () => {
    startRelay({ REDIS_URL: 'redis://127.0.0.1:1' });
    await recordMany(600);
    await world.record(world.numbered('user:2', 7));
    await recordMany(3, 'user:1');
    await world.linked();
    await stopRelay();
    await removeEvents(`subject = 'user:1'`);
    startRelay();
    await world.published();
    expect(await numbers()).toEqual([7]);
  });
});
