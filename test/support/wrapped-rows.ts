import { randomBytes, randomUUID } from 'node:crypto';
import { Kms } from '../../src/infra/kms/kms';
import { TestService } from './app';

export type WrappedKind = 'signing_keys' | 'totp_factors' | 'trading_accounts' | 'webhooks';

export interface WrappedSecretRow {
  kind: WrappedKind;
  id: string;
  context: string;
  secret: Buffer;
}

export const COLUMNS: Record<WrappedKind, { id: string; column: string; context: string }> = {
  signing_keys: { id: 'kid', column: 'wrapped_secret', context: 'signing-key' },
  totp_factors: { id: 'user_id', column: 'wrapped_secret', context: 'totp' },
  trading_accounts: { id: 'id', column: 'wrapped_data_key', context: 'trading-account' },
  webhooks: { id: 'id', column: 'wrapped_secret', context: 'webhook' },
};

const OWNERS = `
  INSERT INTO users (id, email, email_verified_at, name, timezone, locale, status, created_at, updated_at)
  SELECT id, id || '@example.net', now(), 'Owner', 'UTC', 'en-US', 'active', now(), now() FROM unnest($1::uuid[]) AS id`;

/** Each with the secrets $2 of the ids $1. */
const ROWS: Record<WrappedKind, string> = {
  // Long over, so that no instance loads them, because another followed a year ago, which was revoked since.
  signing_keys: `
    WITH follower AS (
      INSERT INTO signing_keys (kid, use, alg, wrapped_secret, created_at, activates_at, revoked_at)
      SELECT 'follower', 'opaque', 'HS256', '\\x00', activated, activated, now() FROM (SELECT now() - interval '1 year') AS t (activated)
      ON CONFLICT DO NOTHING
    )
    INSERT INTO signing_keys (kid, use, alg, wrapped_secret, created_at, activates_at)
    SELECT id, 'opaque', 'HS256', secret, now() - interval '2 years', now() - interval '2 years'
    FROM unnest($1::text[], $2::bytea[]) AS t (id, secret)`,
  totp_factors: `
    INSERT INTO totp_factors (user_id, wrapped_secret, last_step, enabled_at)
    SELECT id, secret, 1, now() FROM unnest($1::uuid[], $2::bytea[]) AS t (id, secret)`,
  trading_accounts: `
    INSERT INTO trading_accounts (id, user_id, broker, broker_user_id, status, created_at, updated_at, wrapped_data_key)
    SELECT id, id, 'kite', 'AB1234', 'session_expired', now(), now(), secret
    FROM unnest($1::uuid[], $2::bytea[]) AS t (id, secret)`,
  webhooks: `
    INSERT INTO webhooks (id, url, event_types, enabled, wrapped_secret, since_position, created_by, created_at, updated_at)
    SELECT id, 'https://hooks.example.com/', '{}', false, secret, 0, 'system', now(), now()
    FROM unnest($1::uuid[], $2::bytea[]) AS t (id, secret)`,
};

/** So many rows of a kind as its feature writes them, wrapped by this Kms. */
export async function addWrappedRows(
  service: TestService,
  kms: Kms,
  kind: WrappedKind,
  count: number,
): Promise<WrappedSecretRow[]> {
  const rows = Array.from({ length: count }, (): WrappedSecretRow => {
    const id = randomUUID();
    return { kind, id, context: `${COLUMNS[kind].context}:${id}`, secret: randomBytes(32) };
  });
  const ids = rows.map(({ id }) => id);
  const wrapped = await Promise.all(rows.map(({ secret, context }) => kms.wrap(secret, context)));
  if (kind !== 'signing_keys') await service.db.query(OWNERS, [ids]);
  await service.db.query(ROWS[kind], [ids, wrapped]);
  return rows;
}

/** What the row holds now. */
export async function wrappedOf(
  service: TestService,
  { kind, id }: Pick<WrappedSecretRow, 'kind' | 'id'>,
): Promise<Buffer> {
  const { column, id: key } = COLUMNS[kind];
  const [row] = await service.db.query<{ wrapped: Buffer }[]>(
    `SELECT ${column} AS wrapped FROM ${kind} WHERE ${key} = $1`,
    [id],
  );
  return row!.wrapped;
}

export async function setWrapped(
  service: TestService,
  { kind, id }: Pick<WrappedSecretRow, 'kind' | 'id'>,
  wrapped: Buffer,
): Promise<void> {
  const { column, id: key } = COLUMNS[kind];
  await service.db.query(`UPDATE ${kind} SET ${column} = $2 WHERE ${key} = $1`, [id, wrapped]);
}
