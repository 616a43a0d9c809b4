/** What every `Kms` owes its callers, whoever keeps the master key. */
import { randomBytes } from 'node:crypto';
import type { Kms } from '../../src/infra/kms/kms';

/** @param open a Kms on a master key of this name: the same name is the same key, in another process too. */
export function describeKms(name: string, open: (key: string) => Promise<Kms>): void {
  describe(`${name} as a Kms`, () => {
    const CONTEXT = 'signing-key:0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';
    let kms: Kms;
    beforeAll(async () => {
      kms = await open('one');
    });

    it.each([0, 1, 32, 1700, 65_536])('gives back a secret of %i bytes', async (bytes) => {
      const secret = randomBytes(bytes);
      expect(await kms.unwrap(await kms.wrap(secret, CONTEXT), CONTEXT)).toEqual(secret);
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

    it('gives a secret back after a restart, and to nobody with another master key', async () => {
      const wrapped = await kms.wrap(Buffer.from('secret'), CONTEXT);
      expect((await (await open('one')).unwrap(wrapped, CONTEXT)).toString()).toBe('secret');
      await expect((await open('two')).unwrap(wrapped, CONTEXT)).rejects.toThrow();
    });

    it('gives a secret back for the very context it was wrapped for', async () => {
      for (const context of [CONTEXT, '', 'Ā🌅', 'a\0b', 'x'.repeat(1000)]) {
        const wrapped = await kms.wrap(Buffer.from('secret'), context);
        expect((await kms.unwrap(wrapped, context)).toString()).toBe('secret');
        for (const other of [`${context} `, `x${context}`, context.slice(1) || 'y']) {
          await expect(kms.unwrap(wrapped, other)).rejects.toThrow();
        }
      }
    });

    it('notices every single bit that was turned', async () => {
      const wrapped = await kms.wrap(Buffer.from('secret'), CONTEXT);
      for (let bit = 0; bit < wrapped.length * 8; bit++) {
        const turned = Buffer.from(wrapped);
        turned[bit >> 3]! ^= 1 << (bit & 7);
        await expect(kms.unwrap(turned, CONTEXT)).rejects.toThrow();
      }
    });

    it('notices bytes that are gone, from either end, or were added', async () => {
      const wrapped = await kms.wrap(Buffer.from('secret'), CONTEXT);
      for (let gone = 1; gone <= wrapped.length; gone++) {
        await expect(kms.unwrap(wrapped.subarray(gone), CONTEXT)).rejects.toThrow();
        await expect(kms.unwrap(wrapped.subarray(0, -gone), CONTEXT)).rejects.toThrow();
      }
      for (const longer of [
        [Buffer.alloc(1), wrapped],
        [wrapped, Buffer.alloc(1)],
        [wrapped, wrapped],
      ]) {
        await expect(kms.unwrap(Buffer.concat(longer), CONTEXT)).rejects.toThrow();
      }
    });

    it('never wraps one secret alike twice, not even its beginning', async () => {
      const wraps = await Promise.all(
        Array.from({ length: 1000 }, () => kms.wrap(Buffer.from('secret'), CONTEXT)),
      );
      expect(new Set(wraps.map((wrapped) => wrapped.toString('hex'))).size).toBe(1000);
      // Whatever nonce or encrypted data key there is stands before the ciphertext.
      expect(new Set(wraps.map((wrapped) => wrapped.subarray(0, -22).toString('hex'))).size).toBe(1000);
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
  });
}
