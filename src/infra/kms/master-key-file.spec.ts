import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalKms } from './local-kms';

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

  it('says what to do where another one was killed, and touches nothing', async () => {
    const path = keyFile(ONE);
    writeFileSync(`${path}.new`, 'a part');
    const kms = await LocalKms.fromFile(path);
    await expect(kms.rotate()).rejects.toThrow(
      `${path}.new is there: another rotation is under way, or was killed`,
    );
    expect(readFileSync(path, 'utf8')).toBe(ONE);
    rmSync(`${path}.new`);
    expect(await kms.rotate()).toBe('2');
  }, 15_000);

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
    expect((error as Error).message).toContain('docker compose run --rm --volume ./keys:/app/keys');
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
