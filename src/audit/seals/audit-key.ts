import type { JWK } from 'jose';

/** A public key that seals are checked with: a JWK (RFC 7517), with the time of its revocation where there was one. */
export type AuditKey = JWK & { kid: string; revoked_at?: string };

interface AuditKeyRow {
  public_jwk: JWK & { kid: string };
  revoked_at: Date | null;
}

type Query = (sql: string) => Promise<unknown>;

/** Every one there ever was, newest first: a seal is checked as long as there are seals. */
export async function readAuditKeys(query: Query): Promise<AuditKey[]> {
  const rows = (await query(
    `SELECT public_jwk, revoked_at FROM signing_keys WHERE use = 'audit' ORDER BY activates_at DESC, kid DESC`,
  )) as AuditKeyRow[];
  return rows.map(({ public_jwk: jwk, revoked_at: revokedAt }) => ({
    ...jwk,
    ...(revokedAt && { revoked_at: revokedAt.toISOString() }),
  }));
}
