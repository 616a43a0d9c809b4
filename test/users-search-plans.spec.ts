import { accountSearch, Statement } from '../src/users/account-search';
import { PLANNING } from '../src/users/find-accounts.service';
import { startService, TestService } from './support/app';
import { addAccounts, vacuumAccounts } from './support/many-accounts';
import { newAdministrator, SignedIn } from './support/people';

const SMALL = 12_000;
const LARGE = 120_000;
/** What an old account is: the walk begins in the middle of all. */
const MIDDLE = `SELECT id FROM users WHERE email = 'user6001@example.com'`;

const FILTERS: Record<string, string>[] = [
  { email: 'user11' },
  { email: 'user1199' },
  { email: 'nobody' },
  { status: 'active' },
  { status: 'suspended' },
  { status: 'deactivated' },
  { role: 'trader' },
  { role: 'viewer' },
  { role: 'admin' },
];

/** Each filter alone, each two of different kinds, and each three. */
const COMBINATIONS: Record<string, string>[] = FILTERS.reduce<Record<string, string>[]>(
  (combined, filter) => [
    ...combined,
    ...combined
      .filter((other) => Object.keys(filter).every((key) => !(key in other)))
      .map((other) => ({ ...other, ...filter })),
  ],
  [{}],
);

/** Ten times as many accounts: a search that reads them all takes ten times as long. */
const isAlike = ({ small, large }: { small: number; large: number }): boolean =>
  large <= 5 * Math.max(small, 3);

describe('the search of accounts, with many of them', () => {
  let few: TestService;
  let service: TestService;
  let admins: Map<TestService, SignedIn>;
  let middle: string;

  beforeAll(async () => {
    few = await startService();
    service = await startService({ DATABASE_QUERY_TIMEOUT_MS: '60000' });
    admins = new Map([
      [few, await newAdministrator(few)],
      [service, await newAdministrator(service)],
    ]);
    await addAccounts(few, 1, SMALL);
    await addAccounts(service, 1, LARGE);
    for (const on of [few, service]) await vacuumAccounts(on);
    [{ id: middle }] = await service.db.query<[{ id: string }]>(MIDDLE);
  }, 60_000);
  afterAll(async () => {
    await few.stop();
    await service.stop();
  });

  const nameOf = (query: Record<string, string>): string => new URLSearchParams(query).toString();

  const search = (on: TestService, query: Record<string, string>) =>
    on
      .client()
      .get(`/v1/users?${nameOf(query)}`, admins.get(on)!.accessToken)
      .expect(200);

  async function timeOf(on: TestService, query: Record<string, string>): Promise<number> {
    const start = performance.now();
    await search(on, query);
    return performance.now() - start;
  }

  /** Milliseconds of the best of some tries on each, by turns; most others say how busy the machine is. */
  async function fastest(query: Record<string, string>): Promise<{ small: number; large: number }> {
    const best = { small: Infinity, large: Infinity };
    for (let i = 0; i < 25 && !(i >= 3 && isAlike(best)); i++) {
      best.small = Math.min(best.small, await timeOf(few, query));
      best.large = Math.min(best.large, await timeOf(service, query));
    }
    return best;
  }

  async function planOf({ sql, values }: Statement): Promise<string> {
    return service.db.transaction(async (tx) => {
      await tx.query(PLANNING);
      const rows = await tx.query<{ 'QUERY PLAN': string }[]>(`EXPLAIN ${sql}`, values);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    });
  }

  it('covers each filter and their combinations', () => {
    expect(COMBINATIONS).toHaveLength(4 * 4 * 4);
    expect(new Set(COMBINATIONS.map(nameOf)).size).toBe(4 * 4 * 4);
  });

  it.each(COMBINATIONS)('never reads the whole table for %j', async (query) => {
    for (const more of [{}, { offset: 10_000 }, { after: middle }]) {
      const { page, size } = accountSearch({ limit: 50, offset: 0, ...query, ...more });
      for (const statement of [page, size]) expect(await planOf(statement)).not.toMatch(/Seq Scan/);
    }
  });

  it.each<[string, Record<string, string>]>([
    ['users_live_email', { email: 'user1199' }],
    ['users_live_status', { status: 'suspended' }],
    ['user_roles_role', { role: 'admin' }],
    ['users_live_email', { email: 'nobody', status: 'active', role: 'trader' }],
    ['user_roles_role', { email: 'user11', status: 'active', role: 'admin' }],
  ])('begins with the index %s for %j', async (index, query) => {
    const { page, size } = accountSearch({ limit: 50, offset: 0, ...query });
    for (const statement of [page, size]) expect(await planOf(statement)).toContain(index);
  });

  it('leaves sign-in its index on addresses', async () => {
    const sql = `SELECT * FROM users WHERE email = $1 AND deleted_at IS NULL`;
    const rows = await service.db.query<{ 'QUERY PLAN': string }[]>(`EXPLAIN ${sql}`, [
      'user1199@example.com',
    ]);
    expect(rows[0]!['QUERY PLAN']).toMatch(/^Index Scan using users_live_email /);
  });

  it(`takes about as long among ${LARGE} accounts as among ${SMALL}`, async () => {
    const slow: string[] = [];
    for (const query of COMBINATIONS) {
      const best = await fastest(query);
      if (!isAlike(best)) slow.push(`${nameOf(query)}: ${best.small} ms, then ${best.large} ms`);
    }
    expect(slow).toEqual([]);
  });

  it('counts exactly up to 10,000, and says where it stopped', async () => {
    const sizeOf = async (query: Record<string, string>) => {
      const { body } = await search(service, query);
      return [body.total, body.total_is_exact, body.has_more];
    };
    expect(await sizeOf({})).toEqual([10_000, false, true]);
    expect(await sizeOf({ role: 'trader' })).toEqual([10_000, false, true]);
    // One in fifty, none of them deleted.
    expect(await sizeOf({ status: 'suspended' })).toEqual([LARGE / 50, true, true]);
    expect(await sizeOf({ status: 'suspended', offset: String(LARGE / 50 - 50) })).toEqual([
      LARGE / 50,
      true,
      false,
    ]);
    expect(await sizeOf({ offset: '10000' })).toEqual([10_000, false, true]);
  });

  it('shows everybody once to whoever walks with after', async () => {
    const seen = new Set<string>();
    let query: Record<string, string> = { status: 'suspended', limit: '200' };
    for (let more = true; more;) {
      const { body } = await search(service, query);
      for (const { user_id } of body.users as { user_id: string }[]) seen.add(user_id);
      query = { ...query, after: body.users.at(-1).user_id };
      more = body.has_more;
    }
    expect(seen.size).toBe(LARGE / 50);
  });
});
