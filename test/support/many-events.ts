import { newId } from '../../src/common/ids';
import { TestService } from './app';

/** Ids of users, by what is peculiar to their events. */
export interface Crowd {
  /** Very many happened to them, one `mfa.enabled` before all others. */
  heavy: string;
  /** Did very much to others, and one `role.assigned` before all else. */
  busy: string;
  /** Some of each, among those of everybody else. */
  usual: string;
}

export const HEAVY = 20_000;
export const BUSY = 15_000;
export const USUAL = 40;
const OTHERS = 25_000;

/** Events of half a year: of a few with very many, and of very many with a few, each with something kept apart. */
export async function addManyEvents(service: TestService): Promise<Crowd> {
  const crowd = { heavy: newId(), busy: newId(), usual: newId() };
  const runner = service.db.createQueryRunner();
  try {
    await runner.query('SET statement_timeout = 0');
    await runner.query(
      `SELECT ensure_event_partitions((now() AT TIME ZONE 'UTC' - interval '6 months')::date, 7)`,
    );
    const add = (count: number, subject: string, actor: string, first: string): Promise<unknown> =>
      runner.query(eventsOf(subject, actor), [count, first]);
    const quoted = (id: string): string => `'user:${id}'`;
    await add(HEAVY, quoted(crowd.heavy), 'subject', 'mfa.enabled');
    await add(BUSY, SOMEBODY, quoted(crowd.busy), 'role.assigned');
    await add(USUAL / 2, quoted(crowd.usual), 'subject', 'user.registered');
    await add(USUAL / 2, SOMEBODY, quoted(crowd.usual), 'role.assigned');
    await add(OTHERS, SOMEBODY, 'subject', 'user.registered');
  } finally {
    await runner.query('RESET statement_timeout');
    await runner.release();
  }
  // As autovacuum does by itself after a while.
  for (const table of ['events', 'event_personal_data']) await service.db.query(`VACUUM ANALYZE ${table}`);
  return crowd;
}

const SOMEBODY = `'user:' || md5((n % 5000)::text)::uuid`;

/** The oldest is of another type than all others. */
const eventsOf = (subject: string, actor: string): string => `
  WITH recorded AS (
    INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, data, metadata)
    SELECT gen_random_uuid(), CASE n WHEN 1 THEN $2 ELSE (ARRAY['user.login', 'user.logout', 'user.updated'])[1 + n % 3] END,
      date_trunc('milliseconds', now() - interval '170 days' * (1 - n / $1::float)), 'test', 'normal', subject, ${actor},
      '{}', '{"request_id": "r"}'
    FROM generate_series(1, $1::int) AS n, LATERAL (SELECT ${subject} AS subject) AS of
    RETURNING event_id, "timestamp", subject
  )
  INSERT INTO event_personal_data (event_id, "timestamp", part, user_id, salt, content)
  SELECT event_id, "timestamp", 'metadata', substr(subject, 6)::uuid, '\\x00', '{"ip": "203.0.113.7", "user_agent": "x"}' FROM recorded`;
