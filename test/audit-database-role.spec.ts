import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { startService, TestService } from './support/app';
import { connect } from './support/audit-world';
import { createTestDatabase, TestDatabase } from './support/database';
import { eventually } from './support/event-world';
import { newVerified } from './support/people';

const ROLE = 'user_service_app';
const PASSWORD = 'nothing-secret';

describe('the database role of the service', () => {
  let database: TestDatabase;
  let owner: Client;
  let role: Client;
  let service: TestService;

  beforeAll(async () => {
    database = await createTestDatabase();
    owner = await connect(database.databaseUrl);
    const sql = readFileSync(join(__dirname, '..', 'docs', 'database-role.sql'), 'utf8');
    // Twice: it may be repeated.
    await owner.query(sql);
    await owner.query(sql);
    await owner.query(`ALTER ROLE ${ROLE} PASSWORD '${PASSWORD}'`);
    const url = Object.assign(new URL(database.databaseUrl), { username: ROLE, password: PASSWORD }).href;
    role = await connect(url);
    service = await startService(
      { DATABASE_QUERY_TIMEOUT_MS: '5000', DATABASE_POOL_TIMEOUT: '5' },
      { databaseUrl: url, redisUrl: database.redisUrl, drop: async () => undefined },
    );
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await role.end();
    // It is the server's, not the database's: the next run makes its own.
    await owner.query(`DROP OWNED BY ${ROLE}`);
    await owner.query(`DROP ROLE ${ROLE}`);
    await owner.end();
    await database.drop();
  });

  it('owns nothing, and may grant nothing', async () => {
    const { rows } = await owner.query(
      `SELECT relname FROM pg_class WHERE relowner = '${ROLE}'::regrole
       UNION SELECT proname FROM pg_proc WHERE proowner = '${ROLE}'::regrole`,
    );
    expect(rows).toEqual([]);
    const { rows: flags } = await owner.query(
      `SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication FROM pg_roles WHERE rolname = $1`,
      [ROLE],
    );
    expect(Object.values(flags[0] as object)).toEqual([false, false, false, false, false]);
  });

  it('is enough for the whole service: people sign up and in, events are linked and published', async () => {
    const { userId, accessToken } = await newVerified(service);
    await service.client().patch('/v1/users/me', { name: 'Asha Rao' }, accessToken).expect(200);
    await service.client().post('/v1/auth/logout', { all_devices: true }, accessToken).expect(200);
    await eventually(async () => {
      const { rows } = await owner.query<{ done: boolean }>(
        `SELECT NOT EXISTS (SELECT FROM event_outbox) AND published_position = chain_position AND chain_position > 3 AS done
         FROM event_relay`,
      );
      return rows[0]!.done;
    });
    const { rows } = await owner.query(
      `SELECT event_type FROM events WHERE subject = $1 ORDER BY "timestamp"`,
      [`user:${userId}`],
    );
    expect(rows.map(({ event_type: type }: { event_type: string }) => type)).toEqual(
      expect.arrayContaining([
        'user.registered',
        'user.email_verified',
        'user.login',
        'user.updated',
        'user.logout',
      ]),
    );
  });

  it('makes the partitions of the months to come, which stay the owner’s', async () => {
    await role.query(`SELECT ensure_event_partitions((now() + interval '3 years')::date, 1)`);
    const { rows } = await owner.query(
      `SELECT bool_or(has_table_privilege('${ROLE}', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')) AS may, count(*)::int
       FROM pg_class WHERE relname ~ to_char(now() + interval '3 years', '"^event.*_"YYYY_MM$')`,
    );
    expect(rows).toEqual([{ may: false, count: 3 }]);
  });

  it.each([
    'UPDATE events SET actor = actor',
    'DELETE FROM events',
    'DELETE FROM events_default',
    'TRUNCATE events',
    'ALTER TABLE events DISABLE TRIGGER events_append_only',
    'ALTER TABLE events DISABLE TRIGGER ALL',
    'ALTER TABLE events ADD COLUMN more text',
    'DROP TABLE events',
    'DROP TABLE events_default',
    'DROP TRIGGER events_append_only ON events',
    'UPDATE event_chain SET hash = hash',
    'DELETE FROM event_chain',
    'TRUNCATE event_chain',
    'DROP TABLE event_chain',
    'UPDATE event_seals SET jws = jws',
    'DELETE FROM event_seals',
    'TRUNCATE event_seals',
    'UPDATE event_personal_data SET content = content',
    'TRUNCATE event_personal_data',
    `UPDATE audit_retention SET dropped_before = '2100-01-01'`,
    `UPDATE audit_retention SET keep_months = 1`,
    'DELETE FROM event_relay',
    `INSERT INTO role_permissions (role, permission) VALUES ('viewer', 'user:write')`,
    `UPDATE roles SET parent = 'admin' WHERE name = 'viewer'`,
    'SET session_replication_role = replica',
    'CREATE FUNCTION events_are_append_only2() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
    'CREATE OR REPLACE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$',
    'CREATE TABLE mine (id int)',
    `SET ROLE user_service`,
  ])('cannot %s', async (statement) => {
    const refused = await role.query(statement).catch((error: { code?: string }) => error);
    // insufficient_privilege
    expect(refused).toMatchObject({ code: '42501' });
  });

  it('is told of every table, so that none is left as it was granted once', async () => {
    const { rows } = await owner.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class
       WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition`,
    );
    const sql = readFileSync(join(__dirname, '..', 'docs', 'database-role.sql'), 'utf8').replace(/--.*/g, '');
    const named = new Set(sql.match(/\w+/g));
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([]);
  });

  it.each([
    ['where nobody has allowed it', null, 120],
    ['that are younger than the owner has said', 2, 1],
  ])('cannot have months dropped %s', async (_, keep, age) => {
    await owner.query('UPDATE audit_retention SET keep_months = $1', [keep]);
    for (const isDry of [true, false]) {
      const asked = `SELECT drop_audit_months(date_trunc('month', now() - interval '${age} months')::date, ${isDry})`;
      await expect(role.query(asked)).rejects.toThrow('only the owner of the tables may drop that');
      // The owner gets as far as the next question.
      await expect(owner.query(asked)).rejects.toThrow(/no day is sealed|not every/);
    }
  });

  it('can have whole months dropped, but none that is not sealed', async () => {
    await owner.query('UPDATE audit_retention SET keep_months = 1');
    await expect(
      role.query(`SELECT drop_audit_months(date_trunc('month', now() - interval '1 month')::date, false)`),
    ).rejects.toThrow(/no day is sealed|not every/);
    // Its own tables in the way do not change what those functions work on.
    await role.query(`CREATE TEMP TABLE event_seals AS SELECT * FROM event_seals WITH NO DATA`);
    await role.query(`INSERT INTO pg_temp.event_seals (day, last_position) VALUES ('2000-01-01', 1000000)`);
    await expect(
      role.query(
        `SELECT public.drop_audit_months(date_trunc('month', now() - interval '1 month')::date, false)`,
      ),
    ).rejects.toThrow(/no day is sealed|not every/);
  });
});
