/**
 * Key management: wraps small secrets (private keys, data keys) under a master key that never leaves its provider.
 * Whoever reads the database without it reads nothing. The master key has versions: the newest wraps, every one
 * unwraps. Each wrapped secret tells its version, see `wrapped-secret.ts`.
 */
export interface Kms {
  /** For people: `local`, `aws`, `vault`. */
  readonly provider: string;
  /**
   * Encrypts a secret of at most 4 KiB (the limit of AWS KMS).
   * @param context what the secret is for; `unwrap` needs the same text, so that a wrapped secret can't be moved.
   * @throws unavailable when the provider cannot answer in time.
   */
  wrap(secret: Uint8Array, context: string): Promise<Buffer>;
  /**
   * Gives a secret back, in memory that is the caller's to zero.
   * @throws IntegrityError when the blob was changed, truncated, or wrapped under another key or context.
   * @throws unavailable when the provider cannot answer in time, or has no key of that version (`MissingVersion`).
   */
  unwrap(wrapped: Uint8Array, context: string): Promise<Buffer>;
  /** The version that wraps now. @throws unavailable */
  currentVersion(): Promise<string>;
  /**
   * Makes the next version, under which everything is wrapped from now on. Those before it still unwrap.
   * @returns it. @throws unavailable
   */
  rotate(): Promise<string>;
  /**
   * Makes the next version without wrapping under it: `rotate` puts it in force. There where the key has to be carried
   * to other machines before anything is wrapped under it.
   * @returns it; the same again until it is in force.
   */
  stage?(): Promise<string>;
}

/** Bytes that can be wrapped at once. */
export const MOST_WRAPPED_BYTES = 4096;

/** A mistake of ours, told alike by every provider. @throws RangeError */
export function requireWrappable(secret: Uint8Array): void {
  if (secret.length > MOST_WRAPPED_BYTES)
    throw new RangeError(`a secret has ${MOST_WRAPPED_BYTES} bytes at most, this one ${secret.length}`);
}

/** Injection token of the `Kms`. */
export const KMS = Symbol('kms');
