import { EntityManager } from 'typeorm';
import { accountSearch, COUNTED, Statement } from '../src/users/account-search';
import { PLANNING } from '../src/users/find-accounts.service';
import { startService, TestService } from './support/app';
import { addAccounts, DELETED, LEGACY, SUSPENDED, VIEWERS } from './support/many-accounts';
import { newAdministrator, SignedIn } from './support/people';

const ACCOUNTS = 60_000;
const LIVING = ACCOUNTS - DELETED;
const LIMIT = 20;

/** Filters, and how many accounts each one finds. */
const FILTERS: [Record<string, string>, number][] = [
  [{ email: 'legacy' }, LEGACY],
  [{ email: 'legacy19' }, 111],
  [{ email: 'user' }, LIVING - LEGACY],
  [{ email: 'nobody' }, 0],
  [{ status: 'active' }, LIVING - SUSPENDED],
  [{ status: 'suspended' }, SUSPENDED],
  [{ status: 'deactivated' }, 0],
  [{ role: 'trader' }, LIVING],
  [{ role: 'viewer' }, VIEWERS],
  [{ role: 'admin' }, 1],
];

/** None, each alone, each two of different kinds, and each three; with how many the leading one finds. */
const SEARCHES = FILTERS.reduce<[Record<string, string>, number][]>(
  (some, [filter, finds]) => [
    ...some,
    ...some
      .filter(([other]) => Object.keys(filter).every((key) => !(key in other)))
      .map<[Record<string, string>, number]>(([other, found]) => [
        { ...other, ...filter },
        leads(filter, other) ? finds : found,
      ]),
  ],
  [[{}, LIVING]],
);

/** Of a filter and those of kinds before its own: email, then status unless it is what nearly everybody is, then role. */
function leads(filter: Record<string, string>, others: Record<string, string>): boolean {
  if (Object.keys(others).length === 0) return true;
  return 'role' in filter && !('email' in others) && others.status === 'active';
}

interface Node {
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Node[];
}

/** What a statement has read: rows, also those it threw away, and blocks of tables and indexes. */
interface Read {
  rows: number;
  blocks: number;
}

describe('the search of accounts, with many of them and the worst of them sought', () => {
  let service: TestService;
  let admin: SignedIn;
  let middle: string;

  beforeAll(async () => {
    service = await startService({ DATABASE_QUERY_TIMEOUT_MS: '60000' });
    admin = await newAdministrator(service);
    await addAccounts(service, ACCOUNTS);
    [{ id: middle }] = await service.db.query<[{ id: string }]>(
      `SELECT id FROM users WHERE email = 'legacy1000@example.com'`,
    );
  }, 60_000);
  afterAll(() => service.stop());

  async function readBy(tx: EntityManager, { sql, values }: Statement): Promise<Read> {
    await tx.query(PLANNING);
    const [row] = await tx.query<[{ 'QUERY PLAN': [{ Plan: Node }] }]>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${sql}`,
      values,
    );
    const [{ Plan: plan }] = row['QUERY PLAN'];
    return { rows: rowsOf(plan), blocks: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'] };
  }

  function rowsOf(node: Node): number {
    const isScan = node['Relation Name'] !== undefined || node['Index Name'] !== undefined;
    const thrownAway = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
    const own = isScan ? (node['Actual Rows'] + thrownAway) * node['Actual Loops'] : 0;
    return (node.Plans ?? []).reduce((sum, child) => sum + rowsOf(child), own);
  }

  /**
   * What a search may read: a few rows for each that it shows or passes over (the account, its roles), and of several
   * filters all that the leading one finds; a row is found by way of some blocks of indexes.
   */
  function bound(query: Record<string, string>, leading: number, shown: number): Read {
    const found = Object.keys(query).length > 1 ? leading : Math.min(leading, shown);
    const rows = 3 * (found + Math.min(shown, LIVING)) + 200;
    return { rows, blocks: 3 * rows };
  }

  /** Each statement of a search that reads more than it may. */
  async function excesses(
    tx: EntityManager,
    query: Record<string, string>,
    leading: number,
  ): Promise<string[]> {
    const found: string[] = [];
    for (const more of [{ offset: 0 }, { offset: 10_000 }, { offset: 0, after: middle }]) {
      const { page, size } = accountSearch({ limit: LIMIT, ...query, ...more });
      for (const [statement, shown] of [
        [page, LIMIT + 1 + more.offset],
        [size, COUNTED + 1],
      ] as const) {
        const [read, most] = [await readBy(tx, statement), bound(query, leading, shown)];
        if (read.rows > most.rows || read.blocks > most.blocks) {
          const what = `${JSON.stringify({ ...query, ...more })}, ${statement === page ? 'page' : 'size'}`;
          found.push(`${what}: ${JSON.stringify(read)}, not ${JSON.stringify(most)}`);
        }
      }
    }
    return found;
  }

  const inTransaction = <T>(work: (tx: EntityManager) => Promise<T>): Promise<T> =>
    service.db.transaction(work);

  it('covers each filter and their combinations', () => {
    expect(new Set(SEARCHES.map(([query]) => JSON.stringify(query))).size).toBe(5 * 4 * 4);
  });

  it.each(SEARCHES)('reads what it shows, not the whole table, for %j', async (query, leading) => {
    expect(await inTransaction((tx) => excesses(tx, query, leading))).toEqual([]);
  });

  it.each(['users_live', 'users_live_status', 'users_live_email', 'user_roles_role'])(
    'would be seen to read too much without the index %s',
    async (index) => {
      const runner = service.db.createQueryRunner();
      try {
        await runner.startTransaction();
        await runner.query(`DROP INDEX ${index}`);
        const found: string[] = [];
        for (const [query, leading] of SEARCHES) {
          if (Object.keys(query).length < 2) found.push(...(await excesses(runner.manager, query, leading)));
        }
        expect(found).not.toEqual([]);
      } finally {
        await runner.rollbackTransaction();
        await runner.release();
      }
    },
  );

  it('leaves sign-in its index on addresses', async () => {
    const rows = await service.db.query<{ 'QUERY PLAN': string }[]>(
      `EXPLAIN SELECT * FROM users WHERE email = $1 AND deleted_at IS NULL`,
      ['user30000@example.com'],
    );
    expect(rows[0]!['QUERY PLAN']).toMatch(/^Index Scan using users_live_email /);
  });

  const search = async (query: Record<string, string>) =>
    (
      await service
        .client()
        .get(`/v1/users?${new URLSearchParams(query).toString()}`, admin.accessToken)
        .expect(200)
    ).body;

  it('counts exactly up to 10,000, and says where it stopped', async () => {
    const sizeOf = async (query: Record<string, string>) => {
      const { total, total_is_exact, has_more } = await search(query);
      return [total, total_is_exact, has_more];
    };
    expect(await sizeOf({})).toEqual([10_000, false, true]);
    expect(await sizeOf({ role: 'trader' })).toEqual([10_000, false, true]);
    expect(await sizeOf({ email: 'user' })).toEqual([10_000, false, true]);
    expect(await sizeOf({ status: 'suspended' })).toEqual([SUSPENDED, true, true]);
    expect(await sizeOf({ email: 'legacy', status: 'suspended', role: 'viewer' })).toEqual([
      LEGACY,
      true,
      true,
    ]);
    const last = { status: 'suspended', offset: String(SUSPENDED - 50) };
    expect(await sizeOf(last)).toEqual([SUSPENDED, true, false]);
    expect(await sizeOf({ offset: '10000' })).toEqual([10_000, false, true]);
  });

  it.each<[Record<string, string>, number]>([
    [{ status: 'suspended' }, SUSPENDED],
    [{ role: 'viewer' }, VIEWERS],
    [{ email: 'legacy' }, LEGACY],
    [{ role: 'viewer', status: 'active' }, 900],
    [{ email: 'user', status: 'suspended' }, SUSPENDED - LEGACY],
  ])('shows everybody once to whoever walks through %j with after', async (filter, finds) => {
    const seen: string[] = [];
    let query: Record<string, string> = { ...filter, limit: '200' };
    for (let more = true; more;) {
      const { items, has_more } = await search(query);
      for (const { user_id } of items as { user_id: string }[]) seen.push(user_id);
      query = { ...query, after: seen.at(-1)! };
      more = has_more;
    }
    expect(seen).toHaveLength(finds);
    expect(new Set(seen).size).toBe(finds);
    if (!('email' in filter)) expect(seen).toEqual([...seen].sort().reverse());
  });
});
