import { Injectable } from '@nestjs/common';
import { createHash, createHmac, KeyObject, timingSafeEqual } from 'node:crypto';
import { KeyRing, RingKey } from './key-ring';

export type OpaquePurpose = 'refresh' | 'email_verification' | 'password_reset';

const TAG_BYTES = 4;
const MAC_BYTES = 32;

/**
 * Tokens that say nothing to whoever holds them and that are stored nowhere: a payload (ids, a counter) under a
 * 256-bit HMAC. A forged one is refused without asking any store; a database or Redis that leaks gives none away.
 * Layout: key tag (4 bytes), payload, HMAC-SHA256 over purpose and payload; base64url.
 */
@Injectable()
export class OpaqueTokens {
  constructor(private readonly keys: KeyRing) {}

  /** The same key, purpose and payload give the same token: that is how a repeated refresh gets the same successor. */
  seal(purpose: OpaquePurpose, payload: Uint8Array): string {
    const key = this.keys.signer('opaque');
    return Buffer.concat([keyTag(key), payload, mac(key.secret, purpose, payload)]).toString('base64url');
  }

  /**
   * A name for a text that tells it apart from others, and can neither be read back nor guessed by whoever lacks the key:
   * 128 bits in hexadecimal. The same text has the same name until the key is rotated.
   */
  pseudonym(purpose: 'unknown_address', text: string): string {
    return mac(this.keys.signer('opaque').secret, purpose, Buffer.from(text)).toString('hex').slice(0, 32);
  }

  /** The payload; null where the token was not made here for this purpose. Constant-time over the HMAC. */
  async open(purpose: OpaquePurpose, token: string, payloadBytes: number): Promise<Buffer | null> {
    const bytes = Buffer.from(token, 'base64url');
    // One spelling only: Buffer ignores characters that are not base64url.
    if (bytes.length !== TAG_BYTES + payloadBytes + MAC_BYTES || bytes.toString('base64url') !== token)
      return null;
    const payload = bytes.subarray(TAG_BYTES, -MAC_BYTES);
    const key = await this.keys.findVerifier('opaque', (candidate) =>
      keyTag(candidate).equals(bytes.subarray(0, TAG_BYTES)),
    );
    if (!key) return null;
    return timingSafeEqual(bytes.subarray(-MAC_BYTES), mac(this.keys.secretOf(key), purpose, payload))
      ? payload
      : null;
  }
}

/** Finds the key again after a rotation; no secret. */
function keyTag(key: RingKey): Buffer {
  return createHash('sha256').update(key.kid).digest().subarray(0, TAG_BYTES);
}

function mac(secret: RingKey['secret'], purpose: string, payload: Uint8Array): Buffer {
  return createHmac('sha256', secret as KeyObject)
    .update(`${purpose}\0`)
    .update(payload)
    .digest();
}
