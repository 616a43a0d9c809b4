import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BEGIN = 'us_live_';
const SECRET_LENGTH = 32;
const CHECKSUM_LENGTH = 6;
/** 62^32 is more than 2^190: enough that nobody guesses one. */
const SHAPE = new RegExp(`^${BEGIN}[${BASE62}]{${SECRET_LENGTH + CHECKSUM_LENGTH}}$`);
/** The largest multiple of 62 that a byte can count to. */
const FAIR = 248;

/**
 * A new key: `us_live_`, 32 random base62 characters, and the CRC-32 of both in six more. By the beginning and the
 * checksum a scanner knows a leaked key from other text without asking us (as GitHub's tokens do it).
 */
export function newApiKey(): string {
  let key = BEGIN;
  while (key.length < BEGIN.length + SECRET_LENGTH) {
    // The bytes above would make the first characters of the alphabet more likely than the others.
    for (const byte of randomBytes(SECRET_LENGTH)) {
      if (byte < FAIR && key.length < BEGIN.length + SECRET_LENGTH) key += BASE62[byte % 62];
    }
  }
  return key + checksum(key);
}

/**
 * Whether a text can be a key at all. Typing errors and noise are refused by this alone, before any store is asked; it
 * keeps no secret, so it need not take the same time for every text.
 */
export function isApiKey(text: string): boolean {
  return SHAPE.test(text) && checksum(text.slice(0, -CHECKSUM_LENGTH)) === text.slice(-CHECKSUM_LENGTH);
}

/** What is stored of a key. */
export const apiKeyHash = (key: string): Buffer => createHash('sha256').update(key).digest();

/** What people are shown of a key: its beginning and four of its 32 random characters. */
export const apiKeyPrefix = (key: string): string => key.slice(0, BEGIN.length + 4);

/** CRC-32 as of zlib and PNG, in base62, the first digit first. */
function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    digits = BASE62[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
