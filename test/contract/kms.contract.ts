/** What every `Kms` owes its callers, whoever keeps the master key. */
import { randomBytes } from 'node:crypto';
import { IntegrityError } from '../../src/infra/kms/integrity-error';
import { Kms, MOST_WRAPPED_BYTES } from '../../src/infra/kms/kms';
import { isMissingVersion } from '../../src/infra/kms/missing-version';
import { packWrapped, unpackWrapped } from '../../src/infra/kms/wrapped-secret';

/** A Kms on a master key of this name: the same name is the same key, in another process too. */
export type OpenKms = (key: string) => Kms | Promise<Kms>;

/** @param most of the attempts at one thing, spread evenly: over a network a thousand are too many. */
export function describeKms(name: string, open: OpenKms, { most = Infinity }: { most?: number } = {}): void {
  describe(`${name} as a Kms`, () => {
    const CONTEXT = 'signing-key:0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';
    const SECRET = Buffer.from('secret');
    let kms: Kms;
    beforeAll(async () => {
      kms = await open('one');
    });

    const expectRefused = (wrapped: Uint8Array, context = CONTEXT, by = kms): Promise<void> =>
      expect(by.unwrap(wrapped, context)).rejects.toThrow(IntegrityError);

    const expectNotRead = async (wrapped: Uint8Array): Promise<void> => {
      const error: unknown = await kms.unwrap(wrapped, CONTEXT).catch((thrown: unknown) => thrown);
      if (!isMissingVersion(error)) expect(error).toBeInstanceOf(IntegrityError);
    };

    it.each([0, 1, 32, 1700, MOST_WRAPPED_BYTES])('gives back a secret of %i bytes', async (bytes) => {
      const secret = randomBytes(bytes);
      expect(await kms.unwrap(await kms.wrap(secret, CONTEXT), CONTEXT)).toEqual(secret);
    });

    it.each([MOST_WRAPPED_BYTES + 1, 65_536])('refuses a secret of %i bytes', async (bytes) => {
      await expect(kms.wrap(randomBytes(bytes), CONTEXT)).rejects.toThrow(/4096/);
    });

    it('takes views into larger memory, and leaves them as they were', async () => {
      const memory = randomBytes(96);
      const before = Buffer.from(memory);
      const wrapped = await kms.wrap(new Uint8Array(memory.buffer, memory.byteOffset + 32, 32), CONTEXT);
      const around = new Uint8Array(wrapped.length + 20).fill(7);
      around.set(wrapped, 10);
      const secret = await kms.unwrap(around.subarray(10, 10 + wrapped.length), CONTEXT);
      expect(secret).toEqual(before.subarray(32, 64));
      expect(memory).toEqual(before);
    });

    it('gives a secret back in memory of the caller, who may zero it', async () => {
      const wrapped = await kms.wrap(SECRET, CONTEXT);
      (await kms.unwrap(wrapped, CONTEXT)).fill(0);
      expect(await kms.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
    });

    it('gives a secret back after a restart, and to nobody with another master key', async () => {
      const wrapped = await kms.wrap(SECRET, CONTEXT);
      expect(await (await open('one')).unwrap(wrapped, CONTEXT)).toEqual(SECRET);
      await expectRefused(wrapped, CONTEXT, await open('two'));
    });

    it('gives a secret back for the very context it was wrapped for', async () => {
      for (const context of [CONTEXT, '', 'Ā🌅', 'a\0b', 'x'.repeat(1000)]) {
        const wrapped = await kms.wrap(SECRET, context);
        expect(await kms.unwrap(wrapped, context)).toEqual(SECRET);
        for (const other of [`${context} `, `x${context}`, context.slice(1) || 'y']) {
          await expectRefused(wrapped, other);
        }
      }
    });

    it('notices every single bit that was turned', async () => {
      const wrapped = await kms.wrap(SECRET, CONTEXT);
      const { version } = unpackWrapped(wrapped);
      for (const bit of someOf(wrapped.length * 8, most)) {
        const turned = Buffer.from(wrapped);
        turned[bit >> 3]! ^= 1 << (bit & 7);
        // It may have become the name of a version that is not here.
        const isVersion = bit >> 3 >= 1 && bit >> 3 < 2 + version.length;
        if (isVersion) await expectNotRead(turned);
        else await expectRefused(turned);
      }
    });

    it('notices bytes that are gone, from either end, or were added', async () => {
      const wrapped = await kms.wrap(SECRET, CONTEXT);
      for (const gone of someOf(wrapped.length, most / 2)) {
        await expectRefused(wrapped.subarray(gone + 1));
        await expectRefused(wrapped.subarray(0, gone));
      }
      for (const longer of [
        [Buffer.alloc(1), wrapped],
        [wrapped, Buffer.alloc(1)],
        [wrapped, wrapped],
      ]) {
        await expectRefused(Buffer.concat(longer));
      }
    });

    it('never wraps one secret alike twice, not even its beginning', async () => {
      const wraps = await Promise.all(
        Array.from({ length: Math.min(1000, most) }, () => kms.wrap(SECRET, CONTEXT)),
      );
      expect(new Set(wraps.map((wrapped) => wrapped.toString('hex'))).size).toBe(wraps.length);
      // Whatever nonce or encrypted data key there is stands before the ciphertext.
      expect(new Set(wraps.map((wrapped) => wrapped.subarray(0, -22).toString('hex'))).size).toBe(
        wraps.length,
      );
    });

    it('shows nothing of the secret', async () => {
      const secret = Buffer.from('-----BEGIN PRIVATE KEY-----'.repeat(40));
      const wrapped = await kms.wrap(secret, CONTEXT);
      for (let at = 0; at + 8 <= secret.length; at += 8) {
        expect(wrapped.includes(secret.subarray(at, at + 8))).toBe(false);
      }
      const zeros = await kms.wrap(Buffer.alloc(1024), CONTEXT);
      expect(zeros.includes(Buffer.alloc(8))).toBe(false);
    });

    it('says in each wrapped secret which version of the master key it is under', async () => {
      const version = await kms.currentVersion();
      expect(version).not.toBe('');
      expect(unpackWrapped(await kms.wrap(SECRET, CONTEXT)).version).toBe(version);
      expect(await (await open('one')).currentVersion()).toBe(version);
    });

    it('wraps under the next version once rotated, and still unwraps what is under those before it', async () => {
      const rotated = await open('rotated');
      const versions = [await rotated.currentVersion()];
      const wraps = [await rotated.wrap(SECRET, CONTEXT)];
      for (let turn = 0; turn < 3; turn++) {
        versions.push(await rotated.rotate());
        expect(await rotated.currentVersion()).toBe(versions.at(-1));
        wraps.push(await rotated.wrap(SECRET, CONTEXT));
      }
      expect(new Set(versions).size).toBe(4);
      expect(wraps.map((wrapped) => unpackWrapped(wrapped).version)).toEqual(versions);
      for (const opened of [rotated, await open('rotated')]) {
        for (const wrapped of wraps) expect(await opened.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
      }
    });

    it('follows when another process has rotated', async () => {
      const [one, other] = [await open('followed'), await open('followed')];
      const before = await other.wrap(SECRET, CONTEXT);
      const version = await one.rotate();
      // It hears of the version from a secret that it is asked to unwrap.
      expect(await other.unwrap(await one.wrap(SECRET, CONTEXT), CONTEXT)).toEqual(SECRET);
      expect(unpackWrapped(await other.wrap(SECRET, CONTEXT)).version).toBe(version);
      expect(await one.unwrap(before, CONTEXT)).toEqual(SECRET);
      // Or by itself, when it wraps.
      const next = await one.rotate();
      expect(unpackWrapped(await other.wrap(SECRET, CONTEXT)).version).toBe(next);
      expect(await other.currentVersion()).toBe(next);
    });

    it('refuses a secret that was given the version of another one', async () => {
      const relabelled = await open('relabelled');
      const old = unpackWrapped(await relabelled.wrap(SECRET, CONTEXT));
      const version = await relabelled.rotate();
      const recent = unpackWrapped(await relabelled.wrap(SECRET, CONTEXT));
      await expectRefused(packWrapped({ version, body: old.body }), CONTEXT, relabelled);
      await expectRefused(packWrapped({ version: old.version, body: recent.body }), CONTEXT, relabelled);
      await expectRefused(packWrapped({ version: 'none', body: recent.body }), CONTEXT, relabelled);
    });
  });
}

/** At most so many of the numbers below `count`, the first and the last among them. */
function someOf(count: number, most: number): number[] {
  const numbers = Math.min(count, Math.max(2, Math.floor(most)));
  return Array.from({ length: numbers }, (_, i) => Math.round((i * (count - 1)) / Math.max(1, numbers - 1)));
}
