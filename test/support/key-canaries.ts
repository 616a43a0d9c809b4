import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { readMasterKeyLines } from '../../src/config/master-key-lines';
import { LocalKms } from '../../src/infra/kms/local-kms';
import { Canaries } from './canaries';
import { COLUMNS, WrappedKind } from './wrapped-rows';

const KINDS = Object.keys(COLUMNS) as WrappedKind[];
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const;

const NAMES: Record<WrappedKind, string> = {
  signing_keys: 'signing key',
  totp_factors: 'TOTP secret',
  trading_accounts: 'data key',
  webhooks: 'secret of a webhook',
};

/** Adds the master key and every secret under it. @returns how many there are, by kind. */
export async function addKeys(
  canaries: Canaries,
  db: Client,
  keyFile: string,
): Promise<Record<WrappedKind | 'master_keys', number>> {
  const masterKeys = readMasterKeyLines(readFileSync(keyFile, 'utf8')).keys;
  for (const key of masterKeys.values()) canaries.addBytes('master key', key);
  const counts = {
    master_keys: masterKeys.size,
    signing_keys: 0,
    totp_factors: 0,
    trading_accounts: 0,
    webhooks: 0,
  };
  const kms = await LocalKms.fromFile(keyFile);
  for (const kind of KINDS) {
    const { id, column, context } = COLUMNS[kind];
    const { rows } = await db.query<{ id: string; wrapped: Buffer }>(
      `SELECT ${id} AS id, ${column} AS wrapped FROM ${kind} WHERE ${column} IS NOT NULL`,
    );
    for (const row of rows) add(canaries, kind, await kms.unwrap(row.wrapped, `${context}:${row.id}`));
    counts[kind] = rows.length;
  }
  return counts;
}

function add(canaries: Canaries, kind: WrappedKind, secret: Buffer): void {
  const text = secret.toString();
  if (kind === 'totp_factors') canaries.add('TOTP secret', text);
  else if (text.startsWith('-----BEGIN')) addPem(canaries, text);
  else canaries.addBytes(NAMES[kind], secret);
}

/** By what is private of it: the rest everybody may read. */
function addPem(canaries: Canaries, pem: string): void {
  const jwk = createPrivateKey(pem).export({ format: 'jwk' });
  for (const member of PRIVATE) canaries.addBytes('signing key', Buffer.from(jwk[member]!, 'base64url'));
  const lines = pem.trim().split('\n');
  canaries.add('signing key', lines[Math.floor(lines.length * 0.6)]!);
}
