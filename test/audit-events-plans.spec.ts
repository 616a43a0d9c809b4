import { EntityManager } from 'typeorm';
import {
  countedEvents,
  EventFilter,
  EventPart,
  listedEvents,
  pageOfEvents,
  Statement,
} from '../src/audit/reading/event-search';
import { EVENT_COLUMNS } from '../src/infra/events/event-columns';
import { PLANNING } from '../src/infra/events/planning';
import { EventType } from '../src/infra/events/event-types';
import { ERASE_EVENTS } from '../src/users/purge-record';
import { startService, TestService } from './support/app';
import { addManyEvents, BUSY, Crowd, HEAVY, USUAL } from './support/many-events';

/** How many partitions there are at most: each is looked into once. */
const PARTITIONS = 20;
const LIMIT = 20;
const MOST = 10_001;
const DAY = 86_400_000;

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Node[];
}

/** What a statement has read, also what it threw away. */
interface Read {
  /** Entries of the lists: of the indexes alone. */
  listed: number;
  events: number;
  personal: number;
  /** Scans, or sorts, of more than what is shown. */
  wrong: string[];
}

describe('the statements that read events, with very many of them', () => {
  let service: TestService;
  let crowd: Crowd;
  beforeAll(async () => {
    service = await startService({ DATABASE_QUERY_TIMEOUT_MS: '60000' });
    crowd = await addManyEvents(service);
  }, 60_000);
  afterAll(() => service.stop());

  const inTransaction = <T>(work: (tx: EntityManager) => Promise<T>): Promise<T> =>
    service.db.transaction(async (tx) => {
      await tx.query(PLANNING);
      return work(tx);
    });

  /** As a prepared statement, with the plan that fits every user, as in the service. */
  async function readBy(tx: EntityManager, { sql, values }: Statement): Promise<Read> {
    await tx.query(`PREPARE read_events AS ${sql}`);
    try {
      const [row] = await tx.query<[{ 'QUERY PLAN': [{ Plan: Node }] }]>(
        `EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE read_events (${values.map(literal).join(', ')})`,
      );
      const read: Read = { listed: 0, events: 0, personal: 0, wrong: [] };
      add(read, row['QUERY PLAN'][0].Plan);
      return read;
    } finally {
      await tx.query('DEALLOCATE read_events');
    }
  }

  function add(read: Read, node: Node): void {
    const type = node['Node Type'];
    const rows =
      (node['Actual Rows'] +
        (node['Rows Removed by Filter'] ?? 0) +
        (node['Rows Removed by Index Recheck'] ?? 0)) *
      node['Actual Loops'];
    if (type === 'Index Only Scan') read.listed += rows;
    else if (node['Relation Name']?.startsWith('event_personal_data')) read.personal += rows;
    else if (node['Relation Name']?.startsWith('events')) read.events += rows;
    if (/Seq Scan|Bitmap|Sort|Hash/.test(type)) read.wrong.push(type);
    for (const child of node.Plans ?? []) add(read, child);
  }

  const literal = (value: unknown): string => {
    const text = value instanceof Date ? value.toISOString() : value;
    return typeof text === 'number' ? String(text) : `'${String(text)}'`;
  };

  const DATES = { from: new Date(Date.now() - 100 * DAY), to: new Date(Date.now() - 40 * DAY) };
  const FILTERS: Record<string, Omit<EventFilter, 'userId'>> = {
    all: {},
    'a frequent type': { eventType: 'user.login' },
    'a rare type': { eventType: 'mfa.enabled' },
    'another rare type': { eventType: 'role.assigned' },
    'two months': DATES,
    'a frequent type in two months': { ...DATES, eventType: 'user.login' },
    'a rare type in two months': { ...DATES, eventType: 'mfa.enabled' },
  };
  const LAST_ID = 'ffffffff-ffff-7fff-bfff-ffffffffffff';
  const PARTS: Record<string, EventPart> = {
    newest: { limit: LIMIT },
    'after a thousand': { limit: LIMIT, offset: 1000 },
    'after an event': {
      limit: LIMIT,
      after: { timestamp: new Date(Date.now() - 60 * DAY).toISOString(), eventId: LAST_ID },
    },
  };
  const SEARCHES = Object.keys(FILTERS).flatMap((filter) =>
    Object.keys(PARTS).map((part): [string, string] => [filter, part]),
  );

  /** What a page and a count read more than they show, pass over or count. */
  async function excesses(tx: EntityManager, filter: EventFilter, part: EventPart): Promise<string[]> {
    const page = await readBy(tx, pageOfEvents(filter, part, EVENT_COLUMNS));
    const count = await readBy(tx, countedEvents(filter, MOST));
    const most = 2 * (part.limit + (part.offset ?? 0) + PARTITIONS);
    return [
      page.listed > most && `lists ${page.listed}, not ${most}`,
      page.events > LIMIT && `reads ${page.events} events`,
      page.personal > LIMIT && `reads ${page.personal} of what is kept apart`,
      count.listed > MOST && `counts ${count.listed}`,
      count.events + count.personal > 0 && `reads ${count.events} events to count`,
      ...[...page.wrong, ...count.wrong],
    ].filter((excess) => excess !== false);
  }

  describe.each(['heavy', 'busy', 'usual'] as const)('of a user whose events are %s', (who) => {
    it.each(SEARCHES)('read what is shown and passed over: %s, %s', async (filter, part) => {
      const found = await inTransaction((tx) =>
        excesses(tx, { userId: crowd[who], ...FILTERS[filter] }, PARTS[part]!),
      );
      expect(found).toEqual([]);
    });
  });

  it.each(['events_subject', 'events_subject_type', 'events_actor', 'events_actor_type'])(
    'would be seen to read too much without the index %s',
    async (index) => {
      const runner = service.db.createQueryRunner();
      try {
        await runner.startTransaction();
        await runner.query(`DROP INDEX ${index}`);
        await runner.query(PLANNING);
        const found: string[] = [];
        for (const userId of [crowd.heavy, crowd.busy])
          for (const [filter, part] of SEARCHES)
            found.push(...(await excesses(runner.manager, { userId, ...FILTERS[filter] }, PARTS[part]!)));
        expect(found).not.toEqual([]);
      } finally {
        await runner.rollbackTransaction();
        await runner.release();
      }
    },
  );

  it('look into no other months than those that are asked for', async () => {
    const filter = { userId: crowd.heavy, ...DATES };
    const months = await inTransaction(async (tx) => {
      await tx.query(`PREPARE read_events AS ${countedEvents(filter, MOST).sql}`);
      const rows = await tx.query<{ 'QUERY PLAN': string }[]>(
        `EXPLAIN (ANALYZE, COSTS off) EXECUTE read_events (${countedEvents(filter, MOST).values.map(literal).join(', ')})`,
      );
      await tx.query('DEALLOCATE read_events');
      return rows.map((row) => row['QUERY PLAN']).filter((line) => /events_(\d{4}_\d\d|default) /.test(line));
    });
    // Sixty days, on two sides, and the partition for what no month takes.
    expect(months.length).toBeGreaterThanOrEqual(2);
    expect(months.length).toBeLessThanOrEqual(2 * 4);
  });

  it('choose the events of an export from the lists alone', async () => {
    for (const userId of [crowd.heavy, crowd.busy]) {
      const read = await inTransaction((tx) => readBy(tx, listedEvents({ userId }, { limit: MOST })));
      expect(read).toMatchObject({ events: 0, personal: 0, wrong: [] });
      expect(read.listed).toBeLessThanOrEqual(MOST + PARTITIONS);
    }
  });

  it('erase a batch of what is kept apart without looking at the rest', async () => {
    const runner = service.db.createQueryRunner();
    try {
      await runner.startTransaction();
      await runner.query(
        `INSERT INTO users (id, email, name, timezone, locale, status, deleted_at, created_at, updated_at)
         VALUES ($1, 'x@example.com', 'X', 'UTC', 'en-US', 'deleted', now(), now(), now())`,
        [crowd.heavy],
      );
      await runner.query(PLANNING);
      const values = [crowd.heavy, new Date(Date.now() + DAY), 1000];
      const read = await readBy(runner.manager, { sql: ERASE_EVENTS, values });
      // Found, and looked up once more to be deleted.
      expect(read).toEqual({ listed: 0, events: 0, personal: 2000, wrong: [] });
    } finally {
      await runner.rollbackTransaction();
      await runner.release();
    }
  });

  it.each<[keyof Crowd, EventType | undefined, number]>([
    ['heavy', undefined, HEAVY],
    ['heavy', 'mfa.enabled', 1],
    ['busy', undefined, BUSY],
    ['busy', 'role.assigned', 1],
    ['usual', undefined, USUAL],
    ['usual', 'user.registered', 1],
  ])('find all there is: %s, %s', async (who, eventType, expected) => {
    const { sql, values } = countedEvents({ userId: crowd[who], eventType }, 100_000);
    const [{ count }] = await inTransaction((tx) => tx.query<[{ count: number }]>(sql, values));
    expect(count).toBe(expected);
  });
});
