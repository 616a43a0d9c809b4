import {
  chmodSync,
  chownSync,
  lstatSync,
  readdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import promises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { LocalKms } from './local-kms';
import { DRAFT_PATIENCE, MasterKeyDraft } from './master-key-draft';
import { MasterKeyFile } from './master-key-file';

const SECRET = Buffer.from('a private key');
const ONE = '5a'.repeat(32);

const folder = mkdtempSync(join(tmpdir(), 'user-service-key-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function keyFile(content: string): string {
  const path = join(folder, `${++files}.key`);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

/** What a rotation has left beside the file. */
const besides = (path: string): string[] =>
  readdirSync(folder).filter((name) => name.startsWith(`${basename(path)}.new`));

describe('a rotation of LocalKms', () => {
  const linesOf = (path: string): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');

  it('adds a version to the file, and keeps comments, mode and all that was there', async () => {
    const path = keyFile(`# development key, made here\n${ONE}\n# and more\n\n`);
    chmodSync(path, 0o640);
    const kms = await LocalKms.fromFile(path);
    expect(await kms.rotate()).toBe('2');
    expect(linesOf(path)).toEqual([
      '# development key, made here',
      ONE,
      '# and more',
      expect.stringMatching(/^2:[0-9a-f]{64}$/),
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(await kms.rotate()).toBe('3');
    expect(new Set(linesOf(path).map((line) => line.slice(-64))).size).toBe(4 + 1);
  });

  it('keeps the owner of the file', async () => {
    const path = keyFile(ONE);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(path, 1000, 1000);
    const { uid, gid } = statSync(path);
    await (await LocalKms.fromFile(path)).rotate();
    expect(statSync(path)).toMatchObject({ uid, gid });
  });

  it('stages a version once, which unwraps and does not wrap, and puts it in force', async () => {
    const path = keyFile(ONE);
    const kms = await LocalKms.fromFile(path);
    expect(await kms.stage()).toBe('2');
    expect(await kms.stage()).toBe('2');
    expect(linesOf(path)).toEqual([ONE, expect.stringMatching(/^next:2:[0-9a-f]{64}$/)]);
    const staged = linesOf(path)[1]!.slice('next:'.length);
    expect(await kms.currentVersion()).toBe('1');
    // A machine with a copy of the file, to which the rotation has not come yet.
    const copy = await LocalKms.fromFile(keyFile(readFileSync(path, 'utf8')));
    expect(await kms.rotate()).toBe('2');
    expect(linesOf(path)).toEqual([ONE, staged]);
    expect(await copy.unwrap(await kms.wrap(SECRET, 'x'), 'x')).toEqual(SECRET);
    expect(await kms.stage()).toBe('3');
  });

  it('goes through a link to the file, and leaves the link', async () => {
    const path = keyFile(ONE);
    const link = `${path}.link`;
    symlinkSync(path, link);
    expect(await (await LocalKms.fromFile(link)).rotate()).toBe('2');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(linesOf(path)).toHaveLength(2);
  });

  it('makes as many versions as there are rotations at once, in one process or several', async () => {
    const path = keyFile(ONE);
    const [one, other] = [await LocalKms.fromFile(path), await LocalKms.fromFile(path)];
    const versions = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? one : other).rotate()));
    const expected = Array.from({ length: 10 }, (_, i) => String(i + 2));
    expect([...versions].sort((a, b) => Number(a) - Number(b))).toEqual(expected);
    expect(linesOf(path)).toHaveLength(11);
    for (const kms of [one, other]) expect(await kms.currentVersion()).toBe('11');
  });

  const killed = (path: string, secondsAgo: number): void => {
    writeFileSync(`${path}.new`, 'a part');
    const then = Date.now() / 1000 - secondsAgo;
    utimesSync(`${path}.new`, then, then);
  };

  it('waits for another one, then says what to do, and touches nothing', async () => {
    const path = keyFile(ONE);
    killed(path, 0);
    const file = await MasterKeyFile.open(path, { waitMs: 100, abandonedMs: 60_000 });
    await expect(file.rotate()).rejects.toThrow(
      `${path}.new is there: another rotation is under way. If none runs, delete it`,
    );
    expect(readFileSync(path, 'utf8')).toBe(ONE);
    expect(readFileSync(`${path}.new`, 'utf8')).toBe('a part');
  });

  it('goes on where another one was killed', async () => {
    const path = keyFile(ONE);
    killed(path, 11);
    expect(await (await LocalKms.fromFile(path)).rotate()).toBe('2');
    expect(linesOf(path)).toEqual([ONE, expect.stringMatching(/^2:[0-9a-f]{64}$/)]);
    expect(besides(path)).toEqual([]);
  });

  it('makes as many versions as there are rotations at once after one that was killed', async () => {
    for (let round = 0; round < 10; round++) {
      const path = keyFile(ONE);
      killed(path, 11);
      const processes = await Promise.all(Array.from({ length: 8 }, () => LocalKms.fromFile(path)));
      const versions = await Promise.all(processes.map((kms) => kms.rotate()));
      expect(versions.map(Number).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
      expect(linesOf(path)).toHaveLength(9);
      expect(besides(path)).toEqual([]);
    }
  });

  it('fails, and leaves alone what is there, where it took so long that another has taken over', async () => {
    const path = keyFile(ONE);
    const slow = await MasterKeyDraft.take(path, DRAFT_PATIENCE);
    const then = Date.now() / 1000 - 11;
    utimesSync(`${path}.new`, then, then);
    const other = await MasterKeyDraft.take(path, DRAFT_PATIENCE);
    await expect(slow.replace('theirs', { ...statSync(path), mode: 0o600 })).rejects.toThrow('rotate again');
    await slow.end();
    await other.replace('ours', { ...statSync(path), mode: 0o600 });
    await other.end();
    expect(readFileSync(path, 'utf8')).toBe('ours');
    expect(besides(path)).toEqual([]);
  });

  it('is done even where the folder cannot be written to disk at once', async () => {
    const path = keyFile(ONE);
    const kms = await LocalKms.fromFile(path);
    const open = promises.open;
    const spy = jest.spyOn(promises, 'open').mockImplementation(async (name, ...more) => {
      if (name === folder) throw Object.assign(new Error('EIO'), { code: 'EIO' });
      return open(name, ...more);
    });
    expect(await kms.rotate()).toBe('2');
    expect(spy.mock.calls.map(([name]) => name)).toContain(folder);
    spy.mockRestore();
    expect(linesOf(path)).toHaveLength(2);
  });

  it('says what to do where the file cannot be replaced, and changes nothing', async () => {
    const place = mkdtempSync(join(tmpdir(), 'user-service-kms-readonly-'));
    const path = join(place, 'master.key');
    writeFileSync(path, ONE, { mode: 0o444 });
    chmodSync(place, 0o555);
    const kms = await LocalKms.fromFile(path);
    const isRoot = process.geteuid?.() === 0;
    // For root no mode is in the way.
    if (isRoot) process.seteuid?.(65_534);
    const error = await kms.rotate().catch((thrown: Error) => thrown);
    if (isRoot) process.seteuid?.(0);
    expect((error as Error).message).toMatch(
      /master\.key cannot be replaced \(EACCES\): rotate as its owner/,
    );
    expect((error as Error).message).toContain('docker compose run --rm keys node');
    expect(readFileSync(path, 'utf8')).toBe(ONE);
    expect(await kms.currentVersion()).toBe('1');
    chmodSync(place, 0o755);
    rmSync(place, { recursive: true });
  });

  it('leaves no draft where it fails', async () => {
    const path = keyFile(ONE);
    const kms = await LocalKms.fromFile(path);
    writeFileSync(path, 'nonsense');
    await expect(kms.rotate()).rejects.toThrow('does not hold 32 bytes in hexadecimal (line 1)');
    expect(() => readFileSync(`${path}.new`)).toThrow('ENOENT');
    expect(readFileSync(path, 'utf8')).toBe('nonsense');
  });
});
