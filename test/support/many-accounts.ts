import { TestService } from './app';

/**
 * So many accounts, each newer than the one before, and nothing evenly spread: only the oldest have `legacy<number>@` for
 * an address (the others `user<number>@`), are suspended, or viewers; the newest are deleted. A search that walks from
 * the newest until it has found enough passes over nearly all of them.
 */
export async function addAccounts(service: TestService, count: number): Promise<void> {
  const runner = service.db.createQueryRunner();
  try {
    await runner.query(`SET statement_timeout = 0`);
    // In slices, because the client's own deadline cannot be lifted.
    for (let first = 1; first <= count; first += SLICE) {
      const last = Math.min(count, first + SLICE - 1);
      await runner.query(ACCOUNTS, [first, last, count]);
      await runner.query(ROLES, [first, Math.min(last, count - DELETED)]);
    }
  } finally {
    await runner.query(`RESET statement_timeout`);
    await runner.release();
  }
  // As autovacuum does by itself after a while.
  for (const table of ['users', 'user_roles']) await service.db.query(`VACUUM ANALYZE ${table}`);
}

export const LEGACY = 2_000;
export const SUSPENDED = 3_000;
export const VIEWERS = 4_000;
export const DELETED = 5_000;

const SLICE = 20_000;

/** A UUIDv7 of the n-th millisecond after a moment in 2024. */
const ID = `(lpad(to_hex(1704067200000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid`;

const ACCOUNTS = `
  INSERT INTO users (id, email, email_verified_at, name, timezone, locale, status, created_at, updated_at, deleted_at)
  SELECT ${ID}, CASE WHEN n <= ${LEGACY} THEN 'legacy' ELSE 'user' END || n || '@example.com', now(), 'User ' || n,
         'UTC', 'en-US',
         CASE WHEN n > $3 - ${DELETED} THEN 'deleted' WHEN n <= ${SUSPENDED} THEN 'suspended'
              WHEN n % 10 = 0 THEN 'pending_verification' ELSE 'active' END,
         now(), now(), CASE WHEN n > $3 - ${DELETED} THEN now() END
  FROM generate_series($1::bigint, $2::bigint) AS n`;

const ROLES = `
  INSERT INTO user_roles (user_id, role)
  SELECT ${ID}, role FROM generate_series($1::bigint, $2::bigint) AS n,
    unnest(CASE WHEN n <= ${VIEWERS} THEN ARRAY['trader', 'viewer'] ELSE ARRAY['trader'] END) AS role`;
