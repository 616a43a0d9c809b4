/** Events by the million, made in SQL. */
import { Client } from 'pg';

const MONTHS = 24;
/** Of whoever nobody asks about: on the average this many events each, the first ones with very many more. */
const EVENTS_EACH = 50;
const SKEW = 3;

/** Who is asked about, and how many events each has. */
export interface Groups {
  users: string[];
  each: number;
}

interface Index {
  drop: string;
  make: string;
}

/**
 * Fills a database with events of the last two years, without their indexes, and makes those afterwards: the real ones,
 * as the migrations left them.
 * @param total events. @param groups part of them; the rest is of others, whose accounts it makes.
 * @returns ids of some of those others.
 */
export async function loadEvents(
  databaseUrl: string,
  total: number,
  groups: readonly Groups[],
): Promise<string[]> {
  const began = performance.now();
  const tell = (what: string): void =>
    void process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${what}\n`);
  const db = new Client(databaseUrl);
  await db.connect();
  try {
    await db.query(`SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET work_mem = '64MB'`);
    await db.query(
      `SELECT ensure_event_partitions((now() AT TIME ZONE 'UTC' - interval '24 months')::date, 25)`,
    );
    const rest = total - groups.reduce((sum, { users, each }) => sum + users.length * each, 0);
    const others = Math.max(1, Math.round(rest / EVENTS_EACH));
    await db.query(USERS, [others]);
    const indexes = await indexesOf(db);
    for (const { drop } of indexes) await db.query(drop);
    for (const { users, each } of groups)
      for (const userId of users) await db.query(eventsOf(`'user:${userId}'`), [0, MONTHS, each]);
    for (let month = 0; month < MONTHS; month++) {
      const count = Math.round((rest * (month + 1)) / MONTHS) - Math.round((rest * month) / MONTHS);
      await db.query(eventsOf(ANOTHER.replaceAll('OTHERS', String(others))), [month, 1, count]);
      tell(`${(((month + 1) / MONTHS) * rest + total - rest).toFixed(0)} of ${total} events`);
    }
    for (const { make } of indexes) {
      await db.query(make);
      tell(make.replace(/ USING.*| PRIMARY.*/, ''));
    }
    for (const table of ['events', 'event_personal_data', 'users'])
      await db.query(`VACUUM (ANALYZE) ${table}`);
    await db.query('CHECKPOINT');
    const { rows: size } = await db.query<{ size: string }>(
      'SELECT pg_size_pretty(pg_database_size(current_database())) AS size',
    );
    tell(`vacuumed and analysed, ${size[0]!.size}`);
    const { rows } = await db.query<{ id: string }>(
      `SELECT ${OTHER_ID} AS id FROM generate_series(0, $1::int - 1, greatest(1, $1::int / 1000)) AS k`,
      [others],
    );
    return rows.map(({ id }) => id);
  } finally {
    await db.end();
  }
}

async function indexesOf(db: Client): Promise<Index[]> {
  const { rows } = await db.query<Index>(`
    SELECT CASE WHEN con.oid IS NULL THEN format('DROP INDEX %s', i.indexrelid::regclass)
             ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass, con.conname) END AS drop,
           CASE WHEN con.oid IS NULL THEN replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
             ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.indrelid::regclass, con.conname,
                         pg_get_constraintdef(con.oid)) END AS make
    FROM pg_index i LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.contype = 'p'
    WHERE i.indrelid IN ('events'::regclass, 'event_personal_data'::regclass)`);
  return rows;
}

const OTHER_ID = `overlay(overlay(md5(k::text) PLACING '7' FROM 13) PLACING '8' FROM 17)::uuid`;
const ANOTHER = `'user:' || (SELECT ${OTHER_ID} FROM (SELECT floor(OTHERS * power(random(), ${SKEW})) + 0 * n AS k) AS drawn)`;

const USERS = `
  INSERT INTO users (id, email, name, timezone, locale, status, created_at, updated_at)
  SELECT ${OTHER_ID}, 'other' || k || '@example.org', 'Other', 'UTC', 'en-US', 'active', now(), now()
  FROM generate_series(0, $1::int - 1) AS k`;

/** A service that does things to everybody. */
const ROBOT = 'user:00000000-0000-7000-8000-000000000001';

/** How often each type happens: as often as it is named. */
const TYPES = [
  ...Array<string>(30).fill('user.login'),
  ...Array<string>(30).fill('session.created'),
  ...Array<string>(20).fill('session.revoked'),
  ...Array<string>(10).fill('login.failed'),
  ...Array<string>(9).fill('trading_account.credentials_read'),
  'password.changed',
];

/** From month $1 (the oldest is 0) on $2 months, $3 events. Each tenth is of somebody else's doing. */
const eventsOf = (subject: string): string => `
  WITH recorded AS (
    INSERT INTO events
      (event_id, event_type, "timestamp", source, priority, subject, actor, resource, data, metadata, personal_digests)
    SELECT
      overlay(gen_random_uuid()::text PLACING
        overlay(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') PLACING '-' FROM 9 FOR 0) || '-7'
        FROM 1 FOR 15)::uuid,
      type, at, 'user-service', 'normal', subject, CASE WHEN n % 10 = 0 THEN '${ROBOT}' ELSE subject END,
      CASE WHEN n % 10 = 0 THEN 'trading_account:' || substr(subject, 6) END,
      '{"session_id": "0192f0a4-9a3b-7f5e-8d21-1c9e5b7a4d33", "method": "password", "second_factor": null, "new_device": false}',
      '{"request_id": "0192f0b1-33c0-7aa1-8f1c-0d5b9c3e7a42"}',
      '{"metadata": "7mLkJ0tTn1Zk0K9d3o6v8fJxqv0c1H2w5rYb4sQeXgA"}'
    FROM (
      SELECT n, ${subject} AS subject, (ARRAY[${TYPES.map((type) => `'${type}'`).join()}])[1 + floor(random() * ${TYPES.length})] AS type,
        date_trunc('milliseconds', now() - interval '730 days' * (1 - ($1::int + $2::int * random()) / ${MONTHS})) AS at
      FROM generate_series(1, $3::int) AS n
    ) AS drawn
    RETURNING event_id, "timestamp", actor
  )
  INSERT INTO event_personal_data (event_id, "timestamp", part, user_id, salt, content)
  SELECT event_id, "timestamp", 'metadata', substr(actor, 6)::uuid, uuid_send(event_id),
    '{"ip": "203.0.113.7", "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0"}'
  FROM recorded`;
