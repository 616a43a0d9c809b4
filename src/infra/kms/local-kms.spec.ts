import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalKms } from './local-kms';

describe('LocalKms', () => {
  const folder = mkdtempSync(join(tmpdir(), 'user-service-kms-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  const withKey = (content: string): Promise<LocalKms> => {
    const path = join(folder, 'master.key');
    writeFileSync(path, content);
    return LocalKms.fromFile(path);
  };
  const SECRET = Buffer.from('a private key');
  let kms: LocalKms;
  let wrapped: Buffer;
  beforeAll(async () => {
    kms = await withKey(`${'5a'.repeat(32)}\n`);
    wrapped = await kms.wrap(SECRET, 'signing-key:1');
  });

  it('gives back what it wrapped, and shows nothing of it', async () => {
    expect(await kms.unwrap(wrapped, 'signing-key:1')).toEqual(SECRET);
    expect(wrapped.includes(SECRET)).toBe(false);
    expect(wrapped).toHaveLength(SECRET.length + 29);
  });

  it('wraps the same secret differently each time, and an empty one too', async () => {
    expect(await kms.wrap(SECRET, 'signing-key:1')).not.toEqual(wrapped);
    const empty = await kms.wrap(Buffer.alloc(0), 'x');
    expect(await kms.unwrap(empty, 'x')).toHaveLength(0);
  });

  it('refuses a secret in which any byte was changed', async () => {
    for (let i = 0; i < wrapped.length; i++) {
      const changed = Buffer.from(wrapped);
      changed[i]! ^= 1;
      await expect(kms.unwrap(changed, 'signing-key:1')).rejects.toThrow();
    }
  });

  it('refuses a secret that was cut or lengthened', async () => {
    for (let length = 0; length < wrapped.length; length++) {
      await expect(kms.unwrap(wrapped.subarray(0, length), 'signing-key:1')).rejects.toThrow();
    }
    await expect(kms.unwrap(Buffer.concat([wrapped, Buffer.alloc(1)]), 'signing-key:1')).rejects.toThrow();
  });

  it('refuses a secret moved to another place, or wrapped under another key', async () => {
    await expect(kms.unwrap(wrapped, 'signing-key:2')).rejects.toThrow();
    const other = await withKey('a5'.repeat(32));
    await expect(other.unwrap(wrapped, 'signing-key:1')).rejects.toThrow();
  });

  it('finds the key below a comment', async () => {
    const same = await withKey(`# development key\n${'5A'.repeat(32)}\n`);
    expect(await same.unwrap(wrapped, 'signing-key:1')).toEqual(SECRET);
  });

  it.each(['', 'not hexadecimal', '5a'.repeat(31), '5a'.repeat(33)])(
    'refuses a file that holds %j',
    async (content) => {
      await expect(withKey(content)).rejects.toThrow('does not hold 32 bytes in hexadecimal');
    },
  );

  it('refuses a file that is not there', async () => {
    await expect(LocalKms.fromFile(join(folder, 'none'))).rejects.toThrow('ENOENT');
  });
});
