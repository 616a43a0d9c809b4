import { TestService } from './app';

/**
 * Adds accounts numbered `from` to `to`, each newer than the one before: `user<number>@example.com`, every tenth of them
 * at `rare.example` too. 2 % are suspended, 8 % not verified, 1 % deleted; all are traders, a tenth viewers as well.
 */
export async function addAccounts(service: TestService, from: number, to: number): Promise<void> {
  const runner = service.db.createQueryRunner();
  try {
    await runner.query(`SET statement_timeout = 0`);
    // In slices, because the client's own deadline cannot be lifted.
    for (let first = from; first <= to; first += SLICE) {
      await runner.query(ACCOUNTS, [first, Math.min(to, first + SLICE - 1)]);
      await runner.query(ROLES, [first, Math.min(to, first + SLICE - 1)]);
    }
  } finally {
    await runner.query(`RESET statement_timeout`);
    await runner.release();
  }
}

/** As autovacuum does by itself after a while. */
export async function vacuumAccounts(service: TestService): Promise<void> {
  for (const table of ['users', 'user_roles']) await service.db.query(`VACUUM ANALYZE ${table}`);
}

const SLICE = 20_000;

/** A UUIDv7 of the n-th millisecond after a moment in 2024. */
const ID = `(lpad(to_hex(1704067200000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid`;

const ACCOUNTS = `
  INSERT INTO users (id, email, email_verified_at, name, timezone, locale, status, created_at, updated_at, deleted_at)
  SELECT ${ID}, 'user' || n || '@' || CASE n % 10 WHEN 0 THEN 'rare.example' ELSE 'example.com' END, now(),
         'User ' || n, 'UTC', 'en-US',
         CASE WHEN n % 100 = 0 THEN 'deleted' WHEN n % 50 = 1 THEN 'suspended'
              WHEN n % 100 < 10 THEN 'pending_verification' ELSE 'active' END,
         now(), now(), CASE WHEN n % 100 = 0 THEN now() END
  FROM generate_series($1::bigint, $2::bigint) AS n`;

const ROLES = `
  INSERT INTO user_roles (user_id, role)
  SELECT ${ID}, role FROM generate_series($1::bigint, $2::bigint) AS n,
    unnest(CASE WHEN n % 10 = 3 THEN ARRAY['trader', 'viewer'] ELSE ARRAY['trader'] END) AS role`;
