import type { Client } from 'pg';

/** How many steps the previous release had. */
export const RELEASED = 11;

export const ID = (number: number): string => `01890000-0000-7000-8000-${String(number).padStart(12, '0')}`;

/** Rows of every kind that the previous release wrote, in every table it had. The database is at its last step. */
export async function fillAsPreviousRelease(db: Client): Promise<void> {
  await db.query(`
    INSERT INTO users (id, email, email_verified_at, name, phone, timezone, locale, avatar_url, status,
                       password_hash, password_changed_at, session_epoch, created_at, updated_at, last_login_at, deleted_at)
    VALUES
      ('${ID(1)}', 'asha@example.org', '2025-01-02T03:04:05.678Z', 'Asha Rao', '+919876543210', 'Asia/Kolkata', 'en-IN',
       'https://example.org/asha.png', 'active', '$2b$12$abcdefghijklmnopqrstuuJ8E1tGmJX9pZ3cV8f5w6y7z8A9B0C1D2', '2025-01-02T03:04:05Z', 3,
       '2025-01-01T00:00:00Z', '2025-02-01T00:00:00Z', '2025-03-01T00:00:00Z', NULL),
      ('${ID(2)}', 'ravi@example.org', NULL, 'Ravi', NULL, 'UTC', 'en-US', NULL, 'pending_verification',
       '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo', '2025-01-02T03:04:05Z', 0,
       '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z', NULL, NULL),
      ('${ID(3)}', 'nobody@example.org', '2025-01-02T00:00:00Z', 'ಆಶಾ ✓', NULL, 'UTC', 'en-US', NULL, 'suspended',
       NULL, NULL, 7, '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z', NULL, NULL),
      ('${ID(4)}', 'asha@example.org', '2024-01-02T00:00:00Z', 'Asha before', NULL, 'UTC', 'en-US', NULL, 'deleted',
       NULL, NULL, 1, '2024-01-01T00:00:00Z', '2024-06-01T00:00:00Z', NULL, '2024-06-01T00:00:00Z'),
      ('${ID(5)}', 'asha@example.org', NULL, 'Asha long before', NULL, 'UTC', 'en-US', NULL, 'deleted',
       NULL, NULL, 1, '2023-01-01T00:00:00Z', '2023-06-01T00:00:00Z', NULL, '2023-06-01T00:00:00Z'),
      ('${ID(6)}', 'idle@example.org', '2025-01-02T00:00:00Z', 'Idle', NULL, 'UTC', 'en-US', NULL, 'deactivated',
       NULL, NULL, 0, '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z', NULL, NULL)`);
  await db.query(`
    INSERT INTO users (id, kind, email, name, timezone, locale, status, mfa_enabled, created_at, updated_at, deleted_at, purged_at)
    VALUES
      ('${ID(7)}', 'service', NULL, 'Order router', 'UTC', 'en-US', 'active', false,
       '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z', NULL, NULL),
      ('${ID(8)}', 'person', NULL, 'Deleted user', 'UTC', 'en-US', 'deleted', false,
       '2024-01-01T00:00:00Z', '2024-06-01T00:00:00Z', '2024-05-01T00:00:00Z', '2024-06-01T00:00:00Z'),
      ('${ID(9)}', 'person', 'meera@example.org', 'Meera', 'UTC', 'en-US', 'active', true,
       '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z', NULL, NULL)`);
  await db.query(`
    INSERT INTO user_roles (user_id, role, granted_at) VALUES
      ('${ID(1)}', 'admin', '2025-01-01T00:00:00Z'), ('${ID(1)}', 'trader', '2025-01-01T00:00:00Z'),
      ('${ID(2)}', 'trader', '2025-01-01T00:00:00Z'), ('${ID(4)}', 'trader', '2024-01-01T00:00:00Z')`);
  await db.query(`
    INSERT INTO known_devices (user_id, device_hash, first_seen_at, last_seen_at) VALUES
      ('${ID(1)}', sha256('laptop'), '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z'),
      ('${ID(1)}', sha256('phone'), '2025-02-01T00:00:00Z', '2025-02-01T00:00:00Z')`);
  await db.query(`
    INSERT INTO one_time_tokens (id, user_id, purpose, email, created_at, expires_at, used_at) VALUES
      ('${ID(11)}', '${ID(2)}', 'email_verification', 'ravi@example.org', now(), now() + interval '1 day', NULL),
      ('${ID(12)}', '${ID(1)}', 'password_reset', 'asha@example.org', '2025-02-01T00:00:00Z', '2025-02-01T00:30:00Z', '2025-02-01T00:10:00Z')`);
  await fillEvents(db);
  await db.query(`
    INSERT INTO mail_outbox (id, kind, payload, attempts, created_at, due_at, last_error, failed_at) VALUES
      ('${ID(31)}', 'email_verification', '{"token_id": "${ID(11)}"}', 0, now(), now(), NULL, NULL),
      ('${ID(32)}', 'password_changed', '{"user_id": "${ID(1)}"}', 9, '2025-01-01T00:00:00Z', now(), 'refused', '2025-01-03T00:00:00Z')`);
  await db.query(`
    INSERT INTO signing_keys (kid, use, alg, public_jwk, wrapped_secret, created_at, activates_at, revoked_at) VALUES
      ('key-1', 'access', 'RS256', '{"kty": "RSA", "n": "AQAB", "e": "AQAB"}', '\\x0001ff', '2025-01-01T00:00:00Z', '2025-01-01T00:10:00Z', NULL),
      ('key-2', 'opaque', 'HS256', NULL, '\\xdeadbeef', '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z', '2025-02-01T00:00:00Z')`);
  await fillHoldings(db);
}

/** Four that were published, oldest first, and three that wait, in the order of the outbox. */
export const PUBLISHED = [ID(27), ID(26), ID(25), ID(24)];
export const UNPUBLISHED = [ID(21), ID(22), ID(23)];

/** What has to be escaped in JSON, or need not be. */
const AWKWARD = '\\ "quoted" \x7f \t\n\x1f\b / <ಆಶಾ ✓ 🪙> \u2028';

async function fillEvents(db: Client): Promise<void> {
  await db.query(
    `
    INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, resource, data, metadata)
    SELECT id::uuid, type, at, 'user_service', priority, 'user:${ID(1)}', actor, NULL, data::jsonb,
           jsonb_build_object('request_id', 'r-1', 'ip', ip, 'user_agent', agent)
    FROM (VALUES
      ('${ID(21)}', 'user.registered', '2025-01-01T00:00:00Z'::timestamptz, 'normal', 'anonymous', '192.0.2.1', NULL,
       '{"method": "password"}'),
      ('${ID(22)}', 'session.revoked', now(), 'normal', 'user:${ID(1)}', '192.0.2.1', 'Safari',
       '{"reason": "logout", "session_ids": ["${ID(99)}"]}'),
      ('${ID(23)}', 'login.failed', now() + interval '3 months', 'low', 'anonymous', '2001:db8::1', NULL,
       '{"reason": "wrong_password"}'),
      ('${ID(24)}', 'user.suspended', now() - interval '1 hour', 'high', 'user:${ID(9)}', '192.0.2.9', $1::text, $2::text),
      ('${ID(25)}', 'trading_account.linked', '2025-03-01T00:00:00.123456Z', 'normal', 'user:${ID(1)}', '192.0.2.1', 'Safari',
       '{"broker": "kite", "broker_user_id": "AB1234"}'),
      ('${ID(26)}', 'role.assigned', '2025-02-01T00:00:00Z', 'high', 'system', '127.0.0.1', NULL, '{"role": "trader"}'),
      ('${ID(27)}', 'user.suspended', '2025-01-01T00:00:00Z', 'high', 'user:${ID(9)}', '192.0.2.9', NULL, '{"reason": null}')
    ) AS event (id, type, at, priority, actor, ip, agent, data)`,
    [AWKWARD, JSON.stringify({ reason: AWKWARD })],
  );
  await db.query(
    `INSERT INTO event_outbox (event_id, "timestamp")
     SELECT event_id, "timestamp" FROM events WHERE event_id = ANY($1) ORDER BY event_id`,
    [UNPUBLISHED],
  );
  await db.query(`UPDATE event_relay SET term = 42`);
}

/** What opens accounts beside a password, and what they may do beside their roles. */
async function fillHoldings(db: Client): Promise<void> {
  await db.query(`
    INSERT INTO totp_factors (user_id, wrapped_secret, last_step, enabled_at)
    VALUES ('${ID(9)}', '\\x01cafe', 58000000, '2025-02-01T00:00:00Z')`);
  await db.query(`
    INSERT INTO mfa_backup_codes (id, user_id, code_hash, created_at, used_at) VALUES
      ('${ID(41)}', '${ID(9)}', sha256('ABCD-EFGH'), '2025-02-01T00:00:00Z', NULL),
      ('${ID(42)}', '${ID(9)}', sha256('IJKL-MNOP'), '2025-02-01T00:00:00Z', '2025-02-02T00:00:00Z')`);
  await db.query(`
    INSERT INTO user_permissions (id, user_id, permission, granted_by, granted_at, expires_at) VALUES
      ('${ID(51)}', '${ID(7)}', 'authz:check', 'user:${ID(1)}', '2025-02-01T00:00:00Z', NULL),
      ('${ID(52)}', '${ID(2)}', 'trading_account:view', 'system', '2025-02-01T00:00:00Z', '2025-02-02T00:00:00Z')`);
  await db.query(`
    INSERT INTO auth_providers (provider, subject, user_id, linked_at)
    VALUES ('google', '1234567890', '${ID(1)}', '2025-02-01T00:00:00Z')`);
  await db.query(`
    INSERT INTO api_keys (id, user_id, name, prefix, key_hash, permissions, created_by, created_at, expires_at,
                          last_used_at, revoked_at)
    VALUES
      ('${ID(61)}', '${ID(7)}', 'production', 'us_live_4fK9', sha256('one'), '{authz:check}', 'user:${ID(1)}',
       '2025-02-01T00:00:00Z', NULL, '2025-03-01T00:00:00Z', NULL),
      ('${ID(62)}', '${ID(7)}', 'before', 'us_live_aaaa', sha256('two'), '{}', 'user:${ID(1)}',
       '2025-01-01T00:00:00Z', '2026-01-01T00:00:00Z', NULL, '2025-02-01T00:00:00Z')`);
  await db.query(`
    INSERT INTO trading_accounts (id, user_id, broker, broker_user_id, nickname, preferences, status, created_at,
                                  updated_at, linked_at, session_expires_at, unlinked_at, wrapped_data_key, api_key_hash)
    VALUES
      ('${ID(71)}', '${ID(1)}', 'kite', 'AB1234', 'Main ✓', '{"deep": {"a": [1, null]}}', 'active', '2025-02-01T00:00:00Z',
       '2025-02-01T00:00:00Z', '2025-02-01T00:00:00Z', '2025-02-02T00:30:00Z', NULL, '\\x01beef', sha256('key')),
      ('${ID(72)}', '${ID(2)}', 'kite', NULL, NULL, '{}', 'unlinked', '2025-02-01T00:00:00Z',
       '2025-02-01T00:00:00Z', NULL, NULL, '2025-02-03T00:00:00Z', NULL, NULL)`);
  await db.query(`
    INSERT INTO trading_credentials (id, trading_account_id, state, api_key, api_secret, access_token, api_key_masked, created_at)
    VALUES ('${ID(73)}', '${ID(71)}', 'current', '\\x01', '\\x02', '\\x03', 'abcd****', '2025-02-01T00:00:00Z')`);
  await db.query(`
    INSERT INTO trading_account_members (id, trading_account_id, user_id, permissions, granted_under, granted_by, created_at)
    VALUES
      ('${ID(74)}', '${ID(71)}', '${ID(9)}', '{view,manage}', NULL, 'user:${ID(1)}', '2025-02-01T00:00:00Z'),
      ('${ID(75)}', '${ID(71)}', '${ID(2)}', '{view}', '${ID(74)}', 'user:${ID(9)}', '2025-02-02T00:00:00Z')`);
}

/** Every row of these tables, as text; only of these columns, so that later ones do not count. */
export async function rowsOf(
  db: Client,
  tables: ReadonlyMap<string, readonly string[]>,
): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {};
  for (const [table, columns] of tables) {
    const list = columns.map((column) => `"${column}"`).join(', ');
    // tableoid: the partition that a row lies in.
    const result = await db.query<{ line: string }>(
      `SELECT row(tableoid::regclass, ${list})::text AS line FROM "${table}" ORDER BY 1`,
    );
    rows[table] = result.rows.map(({ line }) => line);
  }
  return rows;
}

/** The tables there are, partitions left out, with their columns. */
export async function tablesOf(db: Client): Promise<Map<string, string[]>> {
  const { rows } = await db.query<{ name: string; columns: string[] }>(`
    SELECT relname AS name,
      (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
       WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped) AS columns
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND relname <> 'migrations'`);
  return new Map(rows.map(({ name, columns }) => [name, columns]));
}
