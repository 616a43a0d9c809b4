import { Logger } from '@nestjs/common';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seal } from './envelope';
import { IntegrityError } from './integrity-error';
import { LocalKms } from './local-kms';
import { isMissingVersion } from './missing-version';
import { packWrapped, unpackWrapped } from './wrapped-secret';

const SECRET = Buffer.from('a private key');
const ONE = '5a'.repeat(32);
const TWO = 'b7'.repeat(32);
const THREE = 'c3'.repeat(32);

const folder = mkdtempSync(join(tmpdir(), 'user-service-kms-'));
beforeAll(() => Logger.overrideLogger(false));
afterAll(() => rmSync(folder, { recursive: true }));

function keyFile(content: string): string {
  const path = join(folder, createHash('sha256').update(randomBytes(8)).digest('hex').slice(0, 12));
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}
const withKey = (content: string): Promise<LocalKms> => LocalKms.fromFile(keyFile(content));
const versionOf = (wrapped: Buffer): string => unpackWrapped(wrapped).version;

describe('LocalKms', () => {
  it('unwraps what was wrapped before there were versions, as version 1', async () => {
    const old = seal(Buffer.from(ONE, 'hex'), SECRET, 'signing-key:1');
    expect(old[0]).toBe(1);
    const kms = await withKey(`${ONE}\n2:${TWO}\n`);
    expect(versionOf(old)).toBe('1');
    expect(await kms.unwrap(old, 'signing-key:1')).toEqual(SECRET);
    await expect(kms.unwrap(old, 'signing-key:2')).rejects.toThrow(IntegrityError);
    const elsewhere = await withKey(`${TWO}\n`);
    await expect(elsewhere.unwrap(old, 'signing-key:1')).rejects.toThrow(IntegrityError);
  });

  it('does not take an old secret for a new one, nor a new one for an old one', async () => {
    const kms = await withKey(ONE);
    const old = seal(Buffer.from(ONE, 'hex'), SECRET, 'x');
    await expect(kms.unwrap(packWrapped({ version: '1', body: old }), 'x')).rejects.toThrow(IntegrityError);
    const { body } = unpackWrapped(await kms.wrap(SECRET, 'x'));
    await expect(kms.unwrap(body, 'x')).rejects.toThrow(IntegrityError);
  });

  it.each([
    ['a bare key', ONE, '1'],
    ['a bare key below comments', `# development key\n\n  # more\n${ONE.toUpperCase()}\r\n`, '1'],
    ['several versions in any order', `3:${THREE}\n${ONE}\n2:${TWO}`, '3'],
    ['versions without the first', `7:${TWO}\n`, '7'],
    ['a staged version', `${ONE}\nnext:2:${TWO}\n`, '1'],
  ])('wraps under the highest version in force: %s', async (_, content, version) => {
    const kms = await withKey(content);
    expect(await kms.currentVersion()).toBe(version);
    const wrapped = await kms.wrap(SECRET, 'x');
    expect(versionOf(wrapped)).toBe(version);
    expect(await kms.unwrap(wrapped, 'x')).toEqual(SECRET);
    expect(wrapped).toHaveLength(SECRET.length + 32);
  });

  it.each([
    ['nothing', '', 'does not hold 32 bytes in hexadecimal'],
    ['words', 'not hexadecimal', 'does not hold 32 bytes in hexadecimal (line 1)'],
    ['a short key', ONE.slice(2), 'does not hold 32 bytes in hexadecimal (line 1)'],
    ['a long key', `#\n${ONE}5a`, 'does not hold 32 bytes in hexadecimal (line 2)'],
    ['two keys without versions', `${ONE}\n${TWO}`, 'has version 1 twice (line 2)'],
    ['a version twice', `${ONE}\n2:${TWO}\n2:${THREE}`, 'has version 2 twice (line 3)'],
    ['version 0', `0:${ONE}`, 'does not hold 32 bytes in hexadecimal (line 1)'],
    ['only a staged version', `next:1:${ONE}`, 'does not hold 32 bytes in hexadecimal'],
    ['two staged versions', `${ONE}\nnext:2:${TWO}\nnext:3:${THREE}`, 'stages two versions (line 3)'],
    ['a staged version of the past', `5:${ONE}\nnext:4:${TWO}`, 'stages version 4 below 5'],
  ])('refuses a file with %s, and shows nothing of it', async (_, content, message) => {
    const error = await withKey(content).catch((thrown: Error) => thrown);
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).not.toMatch(/[0-9a-f]{16}:|5a5a|b7b7|hexadecimal words/);
  });

  it('refuses a file that is not there', async () => {
    await expect(LocalKms.fromFile(join(folder, 'none'))).rejects.toThrow('ENOENT');
  });

  const labelled = (version: string): Buffer =>
    Buffer.concat([Buffer.from([2, version.length]), Buffer.from(version), randomBytes(40)]);

  it('refuses what is no name of a version', async () => {
    const kms = await withKey(ONE);
    for (const version of ['01', '1 ', '0', '-1', '1e0', 'constructor', '9999999999'])
      await expect(kms.unwrap(labelled(version), 'x')).rejects.toThrow(IntegrityError);
  });

  it('says unavailable, not damaged, of a version that the file does not name, and logs it now and then', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const now = jest.spyOn(performance, 'now');
    const kms = await withKey(ONE);
    for (const [minutes, version] of [
      [0, '2'],
      [0.9, '999999999'],
      [1.1, '3'],
    ] as const) {
      now.mockReturnValue(minutes * 60_000);
      const problem = await kms.unwrap(labelled(version), 'x').catch((thrown: unknown) => thrown);
      expect(problem).toMatchObject({ code: 'unavailable', retryAfter: 2 });
      expect(isMissingVersion(problem)).toBe(true);
      expect(((problem as Error).cause as Error).message).toBe(
        `the key file has no version ${version} of the master key`,
      );
    }
    const logged = error.mock.calls.map(([line]) => String(line));
    jest.restoreAllMocks();
    expect(logged).toEqual([
      expect.stringMatching(/no version 2 of the master key: what is under it cannot be read here$/),
      expect.stringMatching(/no version 3 /),
    ]);
  });

  it('looks again for a version that it does not know, for each who asks after the change', async () => {
    const path = keyFile(`${ONE}\n`);
    const kms = await LocalKms.fromFile(path);
    for (const [text, version] of [
      [`${ONE}\n2:${TWO}\n`, '2'],
      [`${ONE}\n2:${TWO}\n3:${THREE}\n`, '3'],
    ] as const) {
      const bad = kms
        .unwrap(packWrapped({ version: '9', body: randomBytes(40) }), 'x')
        .catch(() => 'refused');
      const wrapped = await (await withKey(text)).wrap(SECRET, 'x');
      expect(versionOf(wrapped)).toBe(version);
      writeFileSync(`${path}.other`, text);
      renameSync(`${path}.other`, path);
      const opened = await Promise.all(Array.from({ length: 20 }, () => kms.unwrap(wrapped, 'x')));
      expect(opened.every((each) => each.equals(SECRET))).toBe(true);
      expect(await bad).toBe('refused');
    }
  });

  it('says unavailable, not damaged, of an unknown version while its file cannot be understood', async () => {
    const path = keyFile(ONE);
    const kms = await LocalKms.fromFile(path);
    const wrapped = await (await withKey(`${ONE}\n2:${TWO}\n`)).wrap(SECRET, 'x');
    writeFileSync(path, 'half a li');
    await expect(kms.unwrap(wrapped, 'x')).rejects.toMatchObject({ code: 'unavailable' });
    rmSync(path);
    await expect(kms.unwrap(wrapped, 'x')).rejects.toMatchObject({ code: 'unavailable' });
    writeFileSync(path, `${ONE}\n2:${TWO}\n`);
    expect(await kms.unwrap(wrapped, 'x')).toEqual(SECRET);
  });

  it('goes on with the key in memory when its file goes away', async () => {
    const path = keyFile(ONE);
    const kms = await LocalKms.fromFile(path);
    rmSync(path);
    const wrapped = await kms.wrap(SECRET, 'x');
    expect(await kms.unwrap(wrapped, 'x')).toEqual(SECRET);
    expect(await kms.currentVersion()).toBe('1');
  });

  it('wraps under a staged version as soon as it sees that others do', async () => {
    const staged = await withKey(`${ONE}\nnext:2:${TWO}\n`);
    const wrapped = await (await withKey(`${ONE}\n2:${TWO}\n`)).wrap(SECRET, 'x');
    // Nobody can bring that about without the key.
    const forged = packWrapped({ version: '2', body: randomBytes(60) });
    await expect(staged.unwrap(forged, 'x')).rejects.toThrow(IntegrityError);
    expect(await staged.currentVersion()).toBe('1');
    expect(await staged.unwrap(wrapped, 'x')).toEqual(SECRET);
    expect(await staged.currentVersion()).toBe('2');
    expect(versionOf(await staged.wrap(SECRET, 'x'))).toBe('2');
  });
});
