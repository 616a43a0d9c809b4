import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { apiKeyHash, apiKeyPrefix, isApiKey, newApiKey } from './api-key-format';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** As the README gives it to scanners. */
const SHAPE = /^us_live_[0-9A-Za-z]{38}$/;
const KNOWN = 'us_live_0123456789ABCDEFGHIJKLMNOPQRSTUV0DZvz4';

const anyKey = fc.constant(null).map(newApiKey);

describe('an API key', () => {
  it('has the shape that scanners look for, and a right checksum', () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        expect(key).toMatch(SHAPE);
        expect(isApiKey(key)).toBe(true);
      }),
    );
  });

  it('ends with the CRC-32 of what goes before, in base62, for scanners in other languages', () => {
    expect(isApiKey(KNOWN)).toBe(true);
    const body = KNOWN.slice(0, -6);
    expect(decode(KNOWN.slice(-6))).toBe(crc32BitByBit(body));
    fc.assert(
      fc.property(anyKey, (key) => {
        expect(decode(key.slice(-6))).toBe(crc32BitByBit(key.slice(0, -6)));
      }),
    );
  });

  it('is none with any one character changed', () => {
    fc.assert(
      fc.property(anyKey, fc.nat(45), fc.constantFrom(...DIGITS), (key, at, digit) => {
        fc.pre(key[at] !== digit);
        expect(isApiKey(key.slice(0, at) + digit + key.slice(at + 1))).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is none with two neighbours exchanged', () => {
    fc.assert(
      fc.property(anyKey, fc.nat(44), (key, at) => {
        fc.pre(key[at] !== key[at + 1]);
        expect(isApiKey(key.slice(0, at) + key[at + 1] + key[at] + key.slice(at + 2))).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is none when it is shorter, longer, wrapped or in another letter case', () => {
    const key = newApiKey();
    for (let length = 0; length < key.length; length++) expect(isApiKey(key.slice(0, length))).toBe(false);
    for (const text of [
      `${key}0`,
      ` ${key}`,
      `${key} `,
      `${key}\n`,
      `${key}\0`,
      key.toLowerCase(),
      key.toUpperCase(),
      key.replace('live', 'test'),
      `${key}, ${key}`,
      `"${key}"`,
      key.replace(/.$/, 'é'),
      `us_live_${'0'.repeat(10_000)}`,
    ]) {
      expect(isApiKey(text)).toBe(false);
    }
  });

  it('is never seen in other text', () => {
    fc.assert(fc.property(fc.string({ maxLength: 60 }), (text) => !isApiKey(text)));
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...DIGITS), minLength: 38, maxLength: 38 }),
        (text) => !isApiKey(`us_live_${text}`),
      ),
    );
  });

  it('has every character equally often in its secret part', () => {
    const counts = new Map<string, number>();
    const keys = 4_000;
    for (let i = 0; i < keys; i++) {
      for (const digit of newApiKey().slice(8, 40)) counts.set(digit, (counts.get(digit) ?? 0) + 1);
    }
    expect([...counts.keys()].sort().join('')).toBe(DIGITS);
    const expected = (keys * 32) / 62;
    const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // 61 degrees of freedom: above 160 by chance once in 10^9 runs. Bytes modulo 62 alone give about 840.
    expect(chiSquare).toBeLessThan(160);
  });

  it('is another one each time', () => {
    const keys = Array.from({ length: 2_000 }, newApiKey);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is stored as the SHA-256 of all of it', () => {
    expect(apiKeyHash(KNOWN)).toEqual(createHash('sha256').update(KNOWN, 'utf8').digest());
  });

  it('is shown by its first twelve characters', () => {
    expect(apiKeyPrefix(KNOWN)).toBe('us_live_0123');
  });
});

function decode(text: string): number {
  return [...text].reduce((value, digit) => value * 62 + DIGITS.indexOf(digit), 0);
}

/** CRC-32 as ISO 3309 writes it, without zlib. */
function crc32BitByBit(text: string): number {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
