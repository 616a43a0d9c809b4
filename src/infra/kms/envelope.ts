import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { IntegrityError } from './integrity-error';

const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
export const DATA_KEY_BYTES = 32;

/**
 * Encrypts with a data key: AES-256-GCM under a random nonce, within NIST SP 800-38D's bound of 2^32 uses of one key.
 * Layout: format (1 byte), nonce (12), ciphertext, tag (16).
 * @param place where it will stand, as additional data: elsewhere it does not open.
 */
export function seal(dataKey: Uint8Array, plain: Uint8Array, place: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', dataKey, nonce).setAAD(Buffer.from(place));
  return Buffer.concat([
    Buffer.from([FORMAT]),
    nonce,
    cipher.update(plain),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
}

/** @throws IntegrityError when it was changed, cut, moved, or sealed with another key. */
export function open(dataKey: Uint8Array, sealed: Uint8Array, place: string): Buffer {
  const blob = Buffer.from(sealed);
  if (blob.length < 1 + NONCE_BYTES + TAG_BYTES || blob[0] !== FORMAT)
    throw new IntegrityError('the sealed text');
  const nonce = blob.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', dataKey, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(place))
    .setAuthTag(blob.subarray(-TAG_BYTES));
  const plain = decipher.update(blob.subarray(1 + NONCE_BYTES, -TAG_BYTES));
  try {
    return Buffer.concat([plain, decipher.final()]);
  } catch (cause) {
    throw new IntegrityError('the sealed text', cause);
  } finally {
    // The caller's copy is another one.
    plain.fill(0);
  }
}
