import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Kms } from './kms';

const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * A master key in a file. Layout of a wrapped secret: format (1 byte), nonce (12), ciphertext, tag (16); AES-256-GCM
 * with the context as additional data. The random nonce keeps NIST SP 800-38D's bound of 2^32 uses of one key.
 */
export class LocalKms implements Kms {
  private constructor(private readonly masterKey: Buffer) {}

  /** @throws Error when the file is missing or does not hold 32 bytes in hexadecimal. */
  static async fromFile(path: string): Promise<LocalKms> {
    const hex = /^[0-9a-f]{64}\s*$/im.exec(await readFile(path, 'utf8'))?.[0].trim();
    if (!hex) throw new Error(`${path} does not hold 32 bytes in hexadecimal`);
    return new LocalKms(Buffer.from(hex, 'hex'));
  }

  async wrap(secret: Uint8Array, context: string): Promise<Buffer> {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.masterKey, nonce).setAAD(Buffer.from(context));
    return Buffer.concat([
      Buffer.from([FORMAT]),
      nonce,
      cipher.update(secret),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
  }

  async unwrap(wrapped: Uint8Array, context: string): Promise<Buffer> {
    const blob = Buffer.from(wrapped);
    if (blob.length < 1 + NONCE_BYTES + TAG_BYTES || blob[0] !== FORMAT)
      throw new Error('not a wrapped secret');
    const nonce = blob.subarray(1, 1 + NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.masterKey, nonce, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(context))
      .setAuthTag(blob.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(blob.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  }
}
