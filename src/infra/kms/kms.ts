/**
 * Key management: wraps small secrets (private keys, data keys) under a master key that never leaves its provider.
 * Whoever reads the database without it reads nothing.
 */
export interface Kms {
  /**
   * Encrypts a secret of at most 64 KiB.
   * @param context what the secret is for; `unwrap` needs the same text, so that a wrapped secret can't be moved.
   */
  wrap(secret: Uint8Array, context: string): Promise<Buffer>;
  /** @throws Error when the blob was changed, truncated, or wrapped under another key or context. */
  unwrap(wrapped: Uint8Array, context: string): Promise<Buffer>;
}

/** Injection token of the `Kms`. */
export const KMS = Symbol('kms');
