import { PurgeDeleted } from '../src/users/purge-deleted';
import { accountOf, deleteAccount, eventsOf } from './support/account-rows';
import { eventually, startService, TestService } from './support/app';
import { newSignedIn, newVerified, register, SignedIn } from './support/people';
import { expectProblem } from './support/problem';
import { refuseWrites } from './support/refused-writes';

const DAY = 86_400_000;

describe('the purge of deleted accounts', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const purge = (on = service) => on.app.get(PurgeDeleted).run();

  async function rowOf(userId: string): Promise<Record<string, unknown>> {
    const [row] = await service.db.query<Record<string, unknown>[]>(`SELECT * FROM users WHERE id = $1`, [
      userId,
    ]);
    return row!;
  }

  /** Accounts deleted so many days ago, by SQL; their ids. */
  async function deletedAgo(days: number, count: number): Promise<string[]> {
    const rows = await service.db.query<{ id: string }[]>(
      `INSERT INTO users (id, email, name, timezone, locale, status, created_at, updated_at, deleted_at)
       SELECT gen_random_uuid(), 'gone' || gen_random_uuid() || '@example.org', 'Gone', 'UTC', 'en', 'deleted',
              now(), now(), to_timestamp($1) - n * interval '1 second' - $2 * interval '1 day'
       FROM generate_series(1, $3) AS n RETURNING id`,
      [Date.now() / 1000, days, count],
    );
    return rows.map(({ id }) => id);
  }

  async function purgedAmong(ids: string[]): Promise<number> {
    const [{ count }] = await service.db.query<[{ count: number }]>(
      `SELECT count(purged_at)::int FROM users WHERE id = ANY($1)`,
      [ids],
    );
    return count;
  }

  /** Every table that speaks of accounts, today and later. */
  const tablesOfUsers = (): Promise<{ table: string; column: string }[]> =>
    service.db.query(
      `SELECT k.table_name AS table, k.column_name AS column
       FROM information_schema.referential_constraints AS c
       JOIN information_schema.key_column_usage AS k USING (constraint_schema, constraint_name)
       JOIN information_schema.table_constraints AS target
         ON target.constraint_schema = c.unique_constraint_schema AND target.constraint_name = c.unique_constraint_name
       WHERE target.table_name = 'users' ORDER BY 1, 2`,
    );

  /** Everything that the tables say of an account, but for the log of events. */
  async function traces(userId: string, email: string): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { table, column } of await tablesOfUsers()) {
      const [row] = await service.db.query<[{ count: number }]>(
        `SELECT count(*)::int FROM ${table} WHERE ${column} = $1`,
        [userId],
      );
      counts[`${table}.${column}`] = row.count;
    }
    const [mails] = await service.db.query<[{ count: number }]>(
      `SELECT count(*)::int FROM mail_outbox WHERE payload::text LIKE '%' || $1 || '%' OR payload::text LIKE '%' || $2 || '%'`,
      [userId, email],
    );
    return { ...counts, mail_outbox: mails.count };
  }

  /** Somebody with everything an account can have. */
  async function furnished(): Promise<SignedIn> {
    const person = await newVerified(service);
    const { userId } = person;
    await service
      .client()
      .patch(
        '/v1/users/me',
        {
          phone: '+919876543210',
          timezone: 'Asia/Kolkata',
          locale: 'hi-IN',
          avatar_url: 'https://x.in/a.png',
        },
        person.accessToken,
      )
      .expect(200);
    await service.client().post('/v1/auth/password/reset-request', { email: person.person.email });
    await service.mailTo(person.person.email, /reset/i);
    for (const statement of [
      `INSERT INTO totp_factors VALUES ($1, 'x', 1, now())`,
      `INSERT INTO mfa_backup_codes VALUES (gen_random_uuid(), $1, 'x', now(), NULL)`,
      `INSERT INTO auth_providers VALUES ('google', gen_random_uuid()::text, $1, now())`,
      `INSERT INTO api_keys (id, user_id, name, prefix, key_hash, permissions, created_by, created_at)
       VALUES (gen_random_uuid(), $1, 'mine', 'us_live_x', decode(md5(random()::text), 'hex'), '{}', 'system', now())`,
      `INSERT INTO audit_exports (id, user_id, format, total_events, truncated, status, event_ids, event_times, created_at, expires_at)
       VALUES (gen_random_uuid(), $1, 'json', 1, false, 'ready', '{}', '{}', now(), now() + interval '40 days')`,
      `INSERT INTO user_permissions VALUES (gen_random_uuid(), $1, 'audit:read', 'system', now(), NULL)`,
      `WITH account AS (
         INSERT INTO trading_accounts (id, user_id, broker, status, created_at, updated_at)
         VALUES (gen_random_uuid(), $1, 'kite', 'pending_login', now(), now()) RETURNING id, user_id
       )
       INSERT INTO trading_account_members (id, trading_account_id, user_id, permissions, granted_by, created_at)
       SELECT gen_random_uuid(), id, user_id, '{view}', 'system', now() FROM account`,
      `INSERT INTO mail_outbox (id, kind, payload, created_at, due_at, failed_at)
       VALUES (gen_random_uuid(), 'password_changed', jsonb_build_object('user_id', $1::text), now(), now(), now())`,
    ]) {
      await service.db.query(statement, [userId]);
    }
    await service.db.query(
      `INSERT INTO mail_outbox (id, kind, payload, created_at, due_at, failed_at)
       VALUES (gen_random_uuid(), 'password_reset', jsonb_build_object('email', $1::text), now(), now(), now())`,
      [person.person.email],
    );
    return person;
  }

  it('erases what is known of a person 30 days after the deletion, and not a moment before', async () => {
    const other = await furnished();
    const { userId, person } = await furnished();
    const [before, tracesBefore] = [
      await accountOf(service, other.person.email),
      await traces(other.userId, other.person.email),
    ];
    expect(Object.entries(await traces(userId, person.email)).filter(([, count]) => count === 0)).toEqual([]);
    // By SQL, so that the purge finds all of it.
    await deleteAccount(service, person.email);

    const another = await service.another();
    try {
      another.advance(30 * DAY - 60_000);
      expect(await purge(another)).toBe(0);
      expect(await rowOf(userId)).toMatchObject({ email: person.email, purged_at: null });
      another.advance(60_000);
      // The job that an instance does when it starts may come first.
      await purge(another);
      await eventually(async () => (await rowOf(userId)).purged_at !== null, 'the purge');
      expect(await purge(another)).toBe(0);
    } finally {
      await another.stop();
    }
    const row = await rowOf(userId);
    expect(row).toMatchObject({
      id: userId,
      kind: 'person',
      status: 'deleted',
      email: null,
      email_verified_at: null,
      name: 'Deleted user',
      phone: null,
      avatar_url: null,
      timezone: 'UTC',
      locale: 'en-US',
      password_hash: null,
      password_changed_at: null,
      last_login_at: null,
      deleted_at: expect.any(Date),
      purged_at: expect.any(Date),
    });
    expect(JSON.stringify(row)).not.toMatch(/asha|\+91|kolkata|x\.in/i);
    const left = await traces(userId, person.email);
    expect(Object.keys(left).length).toBeGreaterThanOrEqual(9);
    expect(Object.values(left).every((count) => count === 0)).toBe(true);
    expect(await eventsOf(service, userId, 'user.purged')).toEqual([
      { type: 'user.purged', actor: 'system', data: {} },
    ]);
    // Nobody else's.
    expect(await accountOf(service, other.person.email)).toEqual(before);
    expect(await traces(other.userId, other.person.email)).toEqual(tracesBefore);
  });

  it('leaves an account nowhere to be found', async () => {
    const [me, gone] = [await newSignedIn(service), await newSignedIn(service)];
    await service.db.query(
      `UPDATE users SET status = 'deleted', deleted_at = now() - interval '31 days' WHERE id = $1`,
      [gone.userId],
    );
    expect(await purge()).toBe(1);
    const { email, password } = gone.person;
    await expectProblem(
      service.client().get(`/v1/users/profile/${gone.userId}`, me.accessToken),
      404,
      'not_found',
    );
    await expectProblem(
      service.client().post('/v1/auth/login', { email, password }),
      401,
      'invalid_credentials',
    );
    await expectProblem(
      service.client().post('/v1/auth/refresh', { refresh_token: gone.refreshToken }),
      401,
      'invalid_refresh_token',
    );
    await register(service, gone.person);
  });

  it('touches no living account and no younger deletion, whatever their dates say', async () => {
    const [alive, odd] = [await newSignedIn(service), await newSignedIn(service)];
    await service.db.query(
      `UPDATE users SET created_at = now() - interval '10 years', updated_at = now() - interval '10 years',
         last_login_at = now() - interval '10 years' WHERE id = $1`,
      [alive.userId],
    );
    // A date alone deletes nobody.
    await service.db.query(`UPDATE users SET deleted_at = now() - interval '1 year' WHERE id = $1`, [
      odd.userId,
    ]);
    const young = await deletedAgo(29, 3);
    const rows = () =>
      Promise.all([alive.userId, odd.userId, ...young].map(async (id) => JSON.stringify(await rowOf(id))));
    const before = await rows();
    expect(await purge()).toBe(0);
    expect(await rows()).toEqual(before);
    await service.db.query(`UPDATE users SET deleted_at = NULL WHERE id = $1`, [odd.userId]);
  });

  it('erases the mails of the address that were given up, but not those of its next owner', async () => {
    const gone = await register(service);
    const { id } = await accountOf(service, gone.email);
    const fail = (created: string) =>
      service.db.query(
        `INSERT INTO mail_outbox (id, kind, payload, created_at, due_at, failed_at)
         VALUES (gen_random_uuid(), 'password_reset', jsonb_build_object('email', $1::text), ${created}, now(), now())`,
        [gone.email],
      );
    await fail(`now() - interval '40 days'`);
    await service.db.query(
      `UPDATE users SET status = 'deleted', deleted_at = now() - interval '35 days' WHERE id = $1`,
      [id],
    );
    await register(service, gone);
    await fail(`now() - interval '1 day'`);
    expect(await purge()).toBe(1);
    const left = await service.db.query<{ old: boolean }[]>(
      `SELECT created_at < now() - interval '30 days' AS old FROM mail_outbox
       WHERE payload->>'email' = $1 AND failed_at IS NOT NULL`,
      [gone.email],
    );
    expect(left).toEqual([{ old: false }]);
    expect(await accountOf(service, gone.email)).toMatchObject({
      status: 'pending_verification',
      purged_at: null,
    });
  });

  it('erases the mails to others that were given up and name the person', async () => {
    const [ids, other] = [await deletedAgo(31, 1), await newSignedIn(service)];
    const mail = (inviter: string) =>
      service.db.query(
        `INSERT INTO mail_outbox (id, kind, payload, created_at, due_at, failed_at)
         VALUES (gen_random_uuid(), 'trading_account_member_added',
                 jsonb_build_object('user_id', $1::text, 'inviter_id', $2::text), now(), now(), now())`,
        [other.userId, inviter],
      );
    await mail(ids[0]!);
    await mail(other.userId);
    expect(await purge()).toBe(1);
    const left = await service.db.query<{ inviter: string }[]>(
      `SELECT payload->>'inviter_id' AS inviter FROM mail_outbox WHERE payload->>'user_id' = $1 AND failed_at IS NOT NULL`,
      [other.userId],
    );
    expect(left).toEqual([{ inviter: other.userId }]);
  });

  it('erases each account once, with two instances at it at the same time', async () => {
    const other = await service.another();
    try {
      const ids = await deletedAgo(31, 250);
      await Promise.all([purge(), purge(other), purge(), purge(other)]);
      // Who finds another at an account leaves it alone; nothing is left over when all are done.
      expect(await purge()).toBe(0);
      expect(await purgedAmong(ids)).toBe(ids.length);
      const [{ events, subjects }] = await service.db.query<[{ events: number; subjects: number }]>(
        `SELECT count(*)::int AS events, count(DISTINCT subject)::int AS subjects FROM events
         WHERE event_type = 'user.purged' AND subject = ANY(SELECT 'user:' || unnest($1::uuid[]))`,
        [ids],
      );
      expect({ events, subjects }).toEqual({ events: ids.length, subjects: ids.length });
    } finally {
      await other.stop();
    }
  });

  it.each([
    ['fails', 'P0001'],
    ['takes longer than a statement may', '57014'],
  ])('goes on past an account that %s, and comes back to it', async (_what, code) => {
    const ids = await deletedAgo(31, 120);
    const [bad] = await service.db.query<[{ id: string }]>(
      `SELECT id FROM users WHERE id = ANY($1) ORDER BY deleted_at LIMIT 1`,
      [ids],
    );
    const when = `NEW.purged_at IS NOT NULL AND NEW.id = '${bad.id}'`;
    const accept = await refuseWrites(service.db, {
      table: 'users',
      of: 'UPDATE',
      when,
      message: 'no',
      code,
    });
    expect(await purge()).toBe(ids.length - 1);
    expect(await rowOf(bad.id)).toMatchObject({ purged_at: null, name: 'Gone' });
    expect(await eventsOf(service, bad.id, 'user.purged')).toEqual([]);
    await accept();
    expect(await purge()).toBe(1);
  });

  it('leaves an account that somebody holds to the next run', async () => {
    const [held, free] = await deletedAgo(31, 2);
    const runner = service.db.createQueryRunner();
    await runner.startTransaction();
    await runner.query(`SELECT FROM users WHERE id = $1 FOR UPDATE`, [held]);
    expect(await purge()).toBe(1);
    expect(await rowOf(free!)).toMatchObject({ name: 'Deleted user' });
    await runner.rollbackTransaction();
    await runner.release();
    expect(await purge()).toBe(1);
  });

  it('begins by itself with the service, and stops with it', async () => {
    const ids = await deletedAgo(31, 3);
    const other = await service.another();
    await eventually(async () => (await purgedAmong(ids)) === 3, 'the purge');
    await other.stop();
    const more = await deletedAgo(31, 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await purgedAmong(more)).toBe(0);
    expect(await purge()).toBe(1);
  });
});
