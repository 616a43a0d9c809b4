import { Client } from 'pg';
import { DatabaseSource } from '../src/audit/proof/database-source';
import { ProofReport, verifyChain } from '../src/audit/proof/verify-chain';
import { linkInBatches } from './bench/link-in-batches';
import { startService } from './support/app';
import { AuditWorld, connect, dayFromToday, EVERYTHING, verdict } from './support/audit-world';
import { eventually } from './support/event-world';
import { newSignedIn } from './support/people';

describe('audit verify', () => {
  let world: AuditWorld | undefined;

  afterEach(() => world?.remove());

  it('finds nothing wrong in an empty database', async () => {
    world = await AuditWorld.create({});
    const copy = await world.copy();
    const [live, file] = [await copy.verify(), await copy.verifyFile(await copy.export())];
    expect([verdict(live), live.links, live.unsealedSince]).toEqual(['as it was', 0, null]);
    expect([verdict(file), file.links]).toEqual(['as it was', 0]);
  });

  it.each([
    ['that is over', -1, 0],
    ['that is today', 0, 4],
  ])('proves a history of one day, %s', async (_, day, unsealed) => {
    world = await AuditWorld.create({ [day]: 4 });
    const copy = await world.copy();
    const [live, file] = [await copy.verify(), await copy.verifyFile(await copy.export())];
    expect([verdict(live), live.events, live.unsealed]).toEqual(['as it was', 4, unsealed]);
    expect([verdict(file), file.events, file.unsealed]).toEqual(['as it was', 4, unsealed]);
    await copy.attack(`DELETE FROM event_chain`, `DELETE FROM events`);
    expect(verdict(await copy.verify())).toBe('removed@1');
  });

  it('raises no false alarm while a service goes on recording and linking', async () => {
    world = await AuditWorld.create({ [-1]: 50 });
    const { config } = world;
    const stores = {
      databaseUrl: config.DATABASE_URL,
      redisUrl: config.REDIS_URL,
      drop: async () => undefined,
    };
    const service = await startService(
      {
        LOCAL_KMS_KEY_PATH: config.LOCAL_KMS_KEY_PATH,
        DATABASE_QUERY_TIMEOUT_MS: '5000',
        DATABASE_POOL_TIMEOUT: '5',
      },
      stores,
    );
    let isWriting = true;
    let writers: Promise<void>[] = [];
    try {
      const { accessToken } = await newSignedIn(service);
      writers = Array.from({ length: 4 }, async (_, writer) => {
        for (let i = 0; isWriting; i++) {
          await service
            .client()
            .patch('/v1/users/me', { name: `Asha ${writer} ${i}` }, accessToken)
            .expect(200);
        }
      });
      const reports: ProofReport[] = [];
      const began = performance.now();
      while (reports.length < 3 || performance.now() - began < 3_000) reports.push(await world.verify());
      expect([...new Set(reports.map(verdict))]).toEqual(['as it was']);
      expect(reports.at(-1)!.links).toBeGreaterThan(reports[0]!.links);
      isWriting = false;
      await Promise.all(writers);
      await eventually(async () => (await world!.verify()).unlinked === 0);
    } finally {
      isWriting = false;
      await Promise.allSettled(writers);
      await service.stop();
    }
  }, 60_000);

  it('reads thousands of events in a few seconds, and says how far it is', async () => {
    world = await AuditWorld.create({});
    const client = await connect(world.config.DATABASE_URL);
    await addMany(client, 20_000);
    await client.end();
    const progress: number[] = [];
    const began = performance.now();
    const source = { range: EVERYTHING, content: 'with personal data' } as const;
    const report = await DatabaseSource.read(world.config, source, (database) =>
      verifyChain(database, { onProgress: (done) => progress.push(done) }),
    );
    // About half a second on a machine with nothing else to do.
    expect(performance.now() - began).toBeLessThan(15_000);
    expect([verdict(report), report.events]).toEqual(['as it was', 20_000]);
    expect(progress.length).toBeGreaterThan(9);
  });

  async function addMany(client: Client, count: number): Promise<void> {
    await client.query(
      `INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, resource, data, metadata)
       SELECT gen_random_uuid(), 'user.login', $1::date + n * interval '1 second', 'user-service', 'normal', 'user:' || n, 'user:' || n,
         NULL, jsonb_build_object('session_id', n, 'method', 'password'), '{"request_id": "r1"}'
       FROM generate_series(1, $2::int) AS n`,
      [dayFromToday(-1), count],
    );
    await linkInBatches(client, count);
  }
});
