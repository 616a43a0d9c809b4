import { createHash, randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { QueryRunner } from 'typeorm';
import { migrations } from '../migrations';
import { Config, loadConfig } from '../src/config/config';
import { migrate, undoLastMigration } from '../src/infra/database/migrate';
import { pendingMigrations } from '../src/infra/database/pending-migrations';
import { createTestDatabase, TestDatabase } from './support/database';
import { fillAsPreviousRelease, RELEASED, rowsOf, tablesOf } from './support/previous-release';

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

  it('give up soon where somebody holds a table, for all others would wait behind them, and can be repeated', async () => {
    await migrate(config, migrations.slice(0, -1));
    const backup = new Client({ connectionString: config.DATABASE_URL });
    await backup.connect();
    try {
      await backup.query('BEGIN');
      await backup.query('LOCK TABLE users, events IN ACCESS SHARE MODE');
      class Locking1700000099999 {
        up = (db: { query(sql: string): Promise<unknown> }): Promise<unknown> =>
          db.query('ALTER TABLE users ADD COLUMN never_there int');
        down = (): Promise<void> => Promise.resolve();
      }
      const waiting = migrate(config, [...migrations.slice(0, -1), Locking1700000099999]);
      await expect(waiting).rejects.toThrow('held a lock on a table for 5 s');
      expect(await ask('SELECT never_there FROM users').catch((error: Error) => error.message)).toContain(
        'never_there',
      );
    } finally {
      await backup.end();
    }
    expect(await migrate(config, migrations)).toEqual(names.slice(-1));
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

  describe('from the previous release', () => {
    /** Name of each released step, and SHA-256 of its statements. A database of somebody's has run them as they were. */
    const RELEASED_STEPS = {
      Accounts1700000000001: 'c67aac0c0e0bc8c1ea5dea8adbd88c7d3187c3dc2b04775409fbec7ac0ee6e44',
      Roles1700000000002: '8ad15e4b1e7f16c5920823cf0e99884bc8a5931d69aaf4e09f14cf7741aacd93',
      SigningKeys1700000000003: '2888ef1ba1e23a49aac6bfe243d3f5d5ac844893059e4c4377767371180309fc',
      Events1700000000004: '7f997a5fc4f4838c11e7416004b43f312125876bfbbc89730c188fdecf333746',
      MailOutbox1700000000005: '25da33a07c583d48c3e7e4b7e952814c6643742be2e826c42125c0853ae81c7b',
      SecondFactor1700000000006: '297b210247c7e1668f455b91108f5dcaf032d1f2e1d25afab9dabfb8dd12e536',
      Grants1700000000007: 'd04a5bb93ccbc78934a16b66f863999f0c71f08e76c640c6b34b959f7b4bf730',
      AccountAdministration1700000000008: '108f418d1030e48700600fcc0120ec63bc4d6cccec4206d0c37c5cd5f80d0579',
      AuthProviders1700000000009: '10b683e03ac170d20f673f3fc16aee2b6dbe2b5b9d3aacce4aa8466c7ec7f6e4',
      ApiKeys1700000000010: '3f0c35ffbdcf2cbc30e567c3a4df3809d65cd20a13531fa1137d47d42d999392',
      TradingAccounts1700000000011: 'c1fa6714c6ae90857ea2a7eba0535ef9b81bc00889d47c9f4cac9d449c4bd242',
      AuditChain1700000000012: '19ee0823fe34d2596932dfa282e4cae4ec79c8b78d8e8f6de736ec8de3d280e2',
      ExportsAndWebhooks1700000000013: '1bd5af82c67642e3069a6710fd51479357a42bce07f41f78bef4b4ff875698dd',
    };

    it('never change a step that was released, nor the order of steps', async () => {
      const steps = await Promise.all(
        migrations.slice(0, Object.keys(RELEASED_STEPS).length).map(async (step) => {
          const statements: string[] = [];
          const recorder = {
            query: (sql: string) => Promise.resolve(void statements.push(sql)),
          } as unknown as QueryRunner;
          await new step().up(recorder);
          await new step().down(recorder);
          return [step.name, createHash('sha256').update(statements.join(';')).digest('hex')];
        }),
      );
      expect(Object.fromEntries(steps)).toEqual(RELEASED_STEPS);
      expect(steps.map(([name]) => name)).toEqual(Object.keys(RELEASED_STEPS));
      const times = names.map((name) => Number(/\d{13}$/.exec(name)?.[0]));
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(new Set(times).size).toBe(names.length);
    });

    it('lose and change no row on the way up, nor on the way back', async () => {
      await migrate(config, migrations.slice(0, RELEASED));
      const db = new Client({ connectionString: config.DATABASE_URL });
      await db.connect();
      try {
        await fillAsPreviousRelease(db);
        const tables = await tablesOf(db);
        const before = await rowsOf(db, tables);
        for (const [table, rows] of Object.entries(before))
          expect([table, rows.length > 0]).toEqual([table, true]);

        expect(await migrate(config, migrations)).toEqual(names.slice(RELEASED));
        const { event_outbox: _, ...kept } = Object.fromEntries(tables);
        const after = await rowsOf(db, new Map(Object.entries(kept)));
        // Steps may add roles and permissions of their own.
        for (const [table, rows] of Object.entries(after)) {
          if (/^(roles|permissions|role_permissions)$/.test(table))
            expect(rows).toEqual(expect.arrayContaining(before[table]!));
          // What becomes of events is what migrations-of-events.spec.ts is about.
          else if (table === 'events') expect(rows).toHaveLength(before[table]!.length);
          else expect([table, rows]).toEqual([table, before[table]]);
        }
        const { rows: next } = await db.query(
          `INSERT INTO event_outbox (event_id, "timestamp") VALUES (gen_random_uuid(), now())
           RETURNING place > (SELECT max(place) FROM event_outbox) AS later`,
        );
        expect(next).toEqual([{ later: true }]);
        await db.query('DELETE FROM event_outbox WHERE place = (SELECT max(place) FROM event_outbox)');

        // What only the new release knows goes, and takes nothing with it.
        await db.query(
          `WITH key AS (
             INSERT INTO signing_keys (kid, use, alg, public_jwk, wrapped_secret, created_at, activates_at)
             VALUES ('audit-1', 'audit', 'RS256', '{"kty": "RSA"}', '\\x01', now(), now())
           ), hook AS (
             INSERT INTO webhooks (id, url, event_types, enabled, wrapped_secret, since_position, created_by, created_at,
                                   updated_at)
             VALUES (gen_random_uuid(), 'https://example.org', '{}', true, '\\x01', 0, 'system', now(), now())
           )
           INSERT INTO user_permissions (id, user_id, permission, granted_by, granted_at)
           SELECT gen_random_uuid(), id, 'webhook:manage', 'system', now() FROM users WHERE email = 'ravi@example.org'`,
        );
        for (const name of names.slice(RELEASED).reverse()) {
          expect(await undoLastMigration(config, migrations)).toBe(name);
        }
        expect(await tablesOf(db)).toEqual(tables);
        expect(await rowsOf(db, tables)).toEqual(before);
      } finally {
        await db.end();
      }
    });
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
