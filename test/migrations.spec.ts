import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { migrations } from '../migrations';
import { Config, loadConfig } from '../src/config/config';
import { migrate, pendingMigrations, undoLastMigration } from '../src/infra/database/migrate';
import { createTestDatabase, TestDatabase } from './support/database';

const names = migrations.map((migration) => migration.name);

describe('migrations', () => {
  let stores: TestDatabase;
  let config: Config;
  let database: string;

  /** Asks the empty database, or the one it was made from. */
  const ask = async (sql: string, url = config.DATABASE_URL): Promise<Record<string, unknown>[]> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    stores = await createTestDatabase();
  });
  afterAll(() => stores.drop());
  beforeEach(async () => {
    database = `empty_${randomBytes(6).toString('hex')}`;
    await ask(`CREATE DATABASE ${database} TEMPLATE template0`, stores.databaseUrl);
    const url = new URL(stores.databaseUrl);
    url.pathname = `/${database}`;
    config = loadConfig({ DATABASE_URL: url.href, REDIS_URL: stores.redisUrl });
  });
  afterEach(async () => {
    await ask(`DROP DATABASE ${database} WITH (FORCE)`, stores.databaseUrl);
  });

  it('bring an empty database up to date, and then find nothing to do', async () => {
    expect(await pendingMigrations(config, migrations)).toEqual(names);
    expect(await migrate(config, migrations)).toEqual(names);
    expect(await migrate(config, migrations)).toEqual([]);
    expect(await pendingMigrations(config, migrations)).toEqual([]);
  });

  it('name what the database lacks without changing it', async () => {
    await migrate(config, migrations.slice(0, 2));
    const before = await schema();
    expect(await pendingMigrations(config, migrations)).toEqual(names.slice(2));
    expect(await schema()).toEqual(before);
  });

  it('run each once when several processes start together', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => migrate(config, migrations)));
    expect(runs.flat()).toEqual(names);
    const rows = await ask('SELECT name FROM migrations ORDER BY id');
    expect(rows.map((row) => row.name)).toEqual(names);
  });

  it('leave the same schema after down and up again, and nothing in between', async () => {
    await migrate(config, migrations);
    const first = await schema();
    for (const name of [...names].reverse()) expect(await undoLastMigration(config, migrations)).toBe(name);
    expect(await undoLastMigration(config, migrations)).toBeNull();
    const left = (await schema()).filter((line) => !line.includes('migrations'));
    expect(left).toEqual([]);
    await migrate(config, migrations);
    expect(await schema()).toEqual(first);
  });

  it('keep the steps before one that fails, and nothing of that one', async () => {
    class Broken1700000099999 {
      up = async (db: { query(sql: string): Promise<unknown> }): Promise<void> => {
        await db.query('CREATE TABLE half_done (id int)');
        await db.query('SELECT no_such_function()');
      };
      down = async (): Promise<void> => undefined;
    }
    await expect(migrate(config, [...migrations, Broken1700000099999])).rejects.toThrow('no_such_function');
    expect(await pendingMigrations(config, migrations)).toEqual([]);
    expect(await ask(`SELECT to_regclass('half_done') AS there`)).toEqual([{ there: null }]);
    // The lock went with the failure.
    expect(await migrate(config, migrations)).toEqual([]);
  });

  it('make partitions of events for the months to come, and not twice', async () => {
    await migrate(config, migrations);
    const partitions = async (): Promise<number> =>
      (await ask(`SELECT inhrelid FROM pg_inherits WHERE inhparent = 'events'::regclass`)).length;
    expect(await partitions()).toBe(13);
    await ask(`SELECT ensure_event_partitions((now() + interval '11 months')::date, 3)`);
    expect(await partitions()).toBe(15);
  });

  /** Everything that migrations make, one line each. */
  async function schema(): Promise<string[]> {
    const rows = await ask(`
      SELECT format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) AS line
        FROM information_schema.columns WHERE table_schema = 'public'
      UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
      UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
      UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
      UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
      ORDER BY 1`);
    return rows.map((row) => String(row.line));
  }
});
