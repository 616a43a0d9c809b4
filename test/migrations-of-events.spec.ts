import { Client } from 'pg';
import type { EntityManager } from 'typeorm';
import { migrations } from '../migrations';
import { migrate, undoLastMigration } from '../src/infra/database/migrate';
import {
  CANONICAL_COLUMNS,
  CanonicalEvent,
  CHAIN_START,
  eventHash,
  linkHash,
} from '../src/infra/events/chain-hash';
import { EVENT_COLUMNS } from '../src/infra/events/event-columns';
import { EventBacklog } from '../src/infra/events/event-backlog';
import { EventChain } from '../src/infra/events/event-chain';
import { Outbox } from '../src/infra/events/outbox';
import { personalDigest } from '../src/infra/events/personal-data';
import { RelayLease } from '../src/infra/events/relay-lease';
import { Metrics } from '../src/infra/metrics/metrics';
import { createTestDatabase, TestDatabase } from './support/database';
import { createEmptyDatabase } from './support/empty-database';
import { fillAsPreviousRelease, ID, PUBLISHED, RELEASED, UNPUBLISHED } from './support/previous-release';

type Rows = Record<string, unknown>[];

describe('events of the release before', () => {
  let stores: TestDatabase;
  let former: Awaited<ReturnType<typeof createEmptyDatabase>>;
  let empty: typeof former;
  let db: Client;

  const ask = async (sql: string, values: unknown[] = []): Promise<Rows> =>
    (await db.query(sql, values)).rows;
  const ids = async (sql: string): Promise<unknown[]> => (await ask(sql)).map(({ event_id }) => event_id);
  const up = () => migrate(empty.config, migrations);
  /** All steps that the release before did not have. */
  const down = async (): Promise<void> => {
    for (let i = migrations.length; i > RELEASED; i--) await undoLastMigration(empty.config, migrations);
  };
  const asTheyWere = () =>
    ask(`SELECT row(e.tableoid::regclass, e.event_id, event_type, "timestamp", source, priority, subject, actor,
           resource, data, metadata)::text AS row FROM events e ORDER BY 1`);

  /** As the relay does it, with a lease of its own. */
  const withRelay = async <T>(work: (chain: EventChain, outbox: Outbox) => Promise<T>): Promise<T> => {
    const lease = await RelayLease.open(empty.config);
    try {
      const term = await lease.acquire();
      return await work(new EventChain(lease, term!), new Outbox(lease, term!));
    } finally {
      await lease.close();
    }
  };
  const publish = (limit: number) =>
    withRelay(async (_, outbox) => {
      const { events, end } = await outbox.next(limit);
      await outbox.moveTo(end);
      return events.map(({ eventId }) => eventId);
    });

  beforeAll(async () => {
    stores = await createTestDatabase();
    former = await createEmptyDatabase(stores);
    await migrate(former.config, migrations.slice(0, RELEASED));
    const client = new Client({ connectionString: former.config.DATABASE_URL });
    await client.connect();
    await fillAsPreviousRelease(client).finally(() => client.end());
  });
  afterAll(async () => {
    await former.drop();
    await stores.drop();
  });
  beforeEach(async () => {
    empty = await createEmptyDatabase(stores, former.name);
    db = new Client({ connectionString: empty.config.DATABASE_URL });
    await db.connect();
  });
  afterEach(async () => {
    await db.end();
    await empty.drop();
  });

  it('keep nothing of a person but ids, and read as before', async () => {
    const before = await ask('SELECT event_id, data, metadata FROM events ORDER BY 1');
    await up();
    expect(
      await ask(
        `SELECT event_id FROM events
         WHERE (metadata ?| '{ip,user_agent}' AND actor <> 'system') OR data ? 'broker_user_id'
            OR (event_type = 'user.suspended' AND data->>'reason' IS NOT NULL)`,
      ),
    ).toEqual([]);
    const whole = await ask(`SELECT ${EVENT_COLUMNS} FROM events e ORDER BY 1`);
    expect(whole.map(({ event_id, data, metadata }) => ({ event_id, data, metadata }))).toEqual(before);
    expect(
      await ask(
        `SELECT event_id, part, user_id FROM event_personal_data WHERE event_id = '${ID(24)}' ORDER BY part`,
      ),
    ).toEqual([
      // Whom it is about, and who did it.
      { event_id: ID(24), part: 'data', user_id: ID(1) },
      { event_id: ID(24), part: 'metadata', user_id: ID(9) },
    ]);
  });

  it('keep a digest of what was moved that the service would have made of it', async () => {
    await up();
    const parts = await ask(
      `SELECT p.part, p.salt, p.content, e.personal_digests FROM event_personal_data p JOIN events e USING (event_id, "timestamp")`,
    );
    expect(parts).toHaveLength(8);
    for (const { part, salt, content, personal_digests } of parts) {
      expect(salt).toHaveLength(16);
      const digest = personalDigest(salt as Buffer, content as Record<string, unknown>);
      expect((personal_digests as Record<string, string>)[part as string]).toBe(digest);
    }
    expect(new Set(parts.map(({ salt }) => String(salt))).size).toBe(parts.length);
  });

  it('are as they were when the step is undone, but for what was erased', async () => {
    const before = await asTheyWere();
    await up();
    await down();
    expect(await asTheyWere()).toEqual(before);
    await expect(db.query(`UPDATE events SET actor = 'x'`)).rejects.toThrow('append-only');

    await up();
    await ask(`DELETE FROM event_personal_data WHERE user_id = '${ID(9)}'`);
    await down();
    const [suspended] = await ask(`SELECT data, metadata FROM events WHERE event_id = '${ID(24)}'`);
    expect(suspended).toEqual({
      data: { reason: expect.stringContaining('quoted') },
      metadata: {},
    });
  });

  it('get their links first, oldest first, and are not published again', async () => {
    await up();
    await withRelay(async (chain) => {
      while ((await chain.link(2)) > 0);
    });
    const chain = await ask(
      `SELECT c.position, c.event_hash, c.hash, ${CANONICAL_COLUMNS}
       FROM event_chain c JOIN events e USING (event_id) ORDER BY c.position`,
    );
    expect(chain.map(({ event_id }) => event_id)).toEqual([...PUBLISHED, ...UNPUBLISHED]);
    let head: Buffer = CHAIN_START;
    for (const [index, link] of chain.entries()) {
      const event = eventHash(link as unknown as CanonicalEvent);
      head = linkHash(head, index + 1, event);
      expect([link.position, link.event_hash, link.hash]).toEqual([String(index + 1), event, head]);
    }
    expect(await publish(2)).toEqual(UNPUBLISHED.slice(0, 2));
    expect(await publish(2)).toEqual(UNPUBLISHED.slice(2));
  });

  it('count as without a link, and not as unpublished', async () => {
    await up();
    const manager = { query: ask } as unknown as EntityManager;
    const backlog = () => new EventBacklog(manager, new Metrics()).measure();
    expect(await backlog()).toMatchObject({ unlinked: 7, pending: 3 });
    const year = 365 * 86_400;
    expect((await backlog()).unlinkedSeconds).toBeGreaterThan(year);
    await withRelay((chain) => chain.link(3));
    expect(await backlog()).toMatchObject({ unlinked: 4, pending: 3 });
    await withRelay((chain) => chain.link(3));
    expect(await backlog()).toMatchObject({ unlinked: 1, unlinkedSeconds: 0, pending: 3 });
    await withRelay((chain) => chain.link(3));
    await publish(3);
    expect(await backlog()).toEqual({ unlinked: 0, unlinkedSeconds: 0, pending: 0, lagSeconds: 0 });
  });

  it.each([
    ['nothing was linked', 0, 0],
    ['half of the history was linked', 2, 0],
    ['all was linked, and nothing published', 7, 0],
    ['some were linked, and one published', 6, 1],
    ['all was published', 7, 3],
  ])(
    'wait in the outbox again, in order, when the step is undone after %s',
    async (_what, linked, published) => {
      await up();
      await withRelay((chain) => (linked > 0 ? chain.link(linked) : Promise.resolve(0)));
      if (published > 0) await publish(published);
      await down();
      expect(await ids('SELECT event_id FROM event_outbox ORDER BY sequence')).toEqual(
        UNPUBLISHED.slice(published),
      );
      const [next] = await ask(
        `INSERT INTO event_outbox (event_id, "timestamp") VALUES (gen_random_uuid(), now())
       RETURNING sequence > coalesce((SELECT max(sequence) FROM event_outbox), 0) AS later`,
      );
      expect(next).toEqual({ later: true });
    },
  );

  it('and those that an instance of it goes on recording are linked, by nobody but the new release', async () => {
    await up();
    // As release 0011 asked.
    await expect(
      db.query(`SELECT o.sequence, e.data FROM (SELECT * FROM event_outbox ORDER BY sequence LIMIT 500) o
                JOIN events e ON e.event_id = o.event_id AND e."timestamp" = o."timestamp" ORDER BY o.sequence`),
    ).rejects.toThrow('does not exist');
    await ask(
      `WITH recorded AS (
         INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, resource, data, metadata)
         VALUES ($1, 'user.logout', now(), 'user_service', 'normal', 'user:1', 'user:1', NULL, '{}', '{"ip": "192.0.2.1"}')
         RETURNING event_id, "timestamp"
       )
       INSERT INTO event_outbox (event_id, "timestamp") SELECT event_id, "timestamp" FROM recorded`,
      [ID(28)],
    );
    await withRelay((chain) => chain.link(100));
    expect(await publish(100)).toEqual([...UNPUBLISHED, ID(28)]);
  });
});
