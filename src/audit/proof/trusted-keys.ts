import { calculateJwkThumbprint, compactVerify, CryptoKey, importJWK } from 'jose';
import { AuditKey } from '../seals/audit-key';
import { Seal, SEAL_TYPE, SealPayload } from '../seals/seal';

/** Clocks of instances may differ by so much. Whoever has a leaked key can date a seal as they like anyhow. */
export const CLOCK_LEEWAY_SECONDS = 120;

interface TrustedKey {
  key: CryptoKey;
  /** Seconds since the Unix epoch. */
  revokedAt: number;
}

/** The keys that seals are believed by. */
export class TrustedKeys {
  private constructor(private readonly keys: ReadonlyMap<string, TrustedKey>) {}

  static async of(keys: readonly AuditKey[]): Promise<TrustedKeys> {
    const trusted = new Map<string, TrustedKey>();
    for (const jwk of keys) {
      const key = await readKey(jwk);
      const { kid, revoked_at: revokedAt } = jwk;
      if (key) trusted.set(kid, { key, revokedAt: revokedAt ? Date.parse(revokedAt) / 1000 : Infinity });
    }
    return new TrustedKeys(trusted);
  }

  has(kid: string): boolean {
    return this.keys.has(kid);
  }

  /** @returns what was signed, or in words why it is not believed. */
  async verified(seal: Pick<Seal, 'kid' | 'jws'>): Promise<SealPayload | string> {
    const key = this.keys.get(seal.kid);
    if (!key) return `there is no key ${seal.kid}`;
    try {
      const { payload, protectedHeader } = await compactVerify(seal.jws, key.key, { algorithms: ['RS256'] });
      if (protectedHeader.kid !== seal.kid || protectedHeader.typ !== SEAL_TYPE)
        return 'it is signed as something else';
      const content = JSON.parse(Buffer.from(payload).toString('utf8')) as SealPayload;
      return content.iat < key.revokedAt + CLOCK_LEEWAY_SECONDS
        ? content
        : `key ${seal.kid} had been revoked when it was signed`;
    } catch {
      return 'the signature is wrong';
    }
  }
}

/** @returns null for what is no key of a seal, or cannot be read: others beside it can, and a seal by it is not believed. */
export async function readKey({ revoked_at: _, ...jwk }: AuditKey): Promise<CryptoKey | null> {
  try {
    // The id is the key's fingerprint: no key can take another's place.
    if (jwk.kty !== 'RSA' || (await calculateJwkThumbprint(jwk)) !== jwk.kid) return null;
    return (await importJWK(jwk, 'RS256')) as CryptoKey;
  } catch {
    return null;
  }
}
