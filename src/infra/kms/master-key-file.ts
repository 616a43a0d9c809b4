import { randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MasterKeyLines, readMasterKeyLines, withMasterKey } from '../../config/master-key-lines';
import { DATA_KEY_BYTES } from './envelope';

/** Somebody else's rotation takes milliseconds. */
const PATIENCE_MS = 3_000;
const RETRY_MS = 50;

/** A file with the versions of a master key, see keys/README.md. Other processes may change it at any time. */
export class MasterKeyFile {
  private running: Promise<void> = Promise.resolve();
  private waiting?: Promise<void>;
  private content!: MasterKeyLines;
  private seen = '';

  private constructor(private readonly path: string) {}

  /** @throws Error when it is missing or cannot be understood. */
  static async open(path: string): Promise<MasterKeyFile> {
    const file = new MasterKeyFile(path);
    await file.refresh();
    return file;
  }

  /** The version that wraps. */
  get current(): number {
    return this.content.current;
  }

  key(version: number): Buffer | undefined {
    return this.content.keys.get(version);
  }

  /** A secret under a staged version was seen: elsewhere it wraps already. From now on here too. */
  noteUse(version: number): void {
    if (version === this.content.staged) this.content = { keys: this.content.keys, current: version };
  }

  /** Reads it again where it has changed. One look serves all who ask before it begins. @throws Error */
  refresh(): Promise<void> {
    return (this.waiting ??= this.running
      .catch(() => undefined)
      .then(() => {
        this.waiting = undefined;
        this.running = this.readIfChanged();
        return this.running;
      }));
  }

  /** Adds the next version, or puts the staged one in force. @returns its number. @throws Error */
  rotate(): Promise<number> {
    return this.change(({ current, staged, keys }) => {
      const version = staged ?? current + 1;
      return { version, line: lineOf(version, keys.get(version)) };
    });
  }

  /** Adds a version that unwraps and does not wrap yet; one that is staged already stays. @throws Error */
  stage(): Promise<number> {
    return this.change(({ current, staged }) => {
      const version = staged ?? current + 1;
      return { version, line: staged === undefined ? `next:${lineOf(version)}` : undefined };
    });
  }

  private async readIfChanged(): Promise<void> {
    if (markOf(await stat(this.path, { bigint: true })) === this.seen) return;
    const { text, mark } = await readWhole(this.path);
    this.content = understand(this.path, text);
    this.seen = mark;
  }

  /**
   * Replaces the file in one step. The draft beside it is the lock too: whoever finds it there waits until it has
   * become the file.
   */
  private async change(
    decide: (content: MasterKeyLines) => { version: number; line: string | undefined },
  ): Promise<number> {
    const path = await realpath(this.path);
    const draft = `${path}.new`;
    const file = await this.openDraft(draft);
    let replaced = false;
    try {
      const { text, ...before } = await readWhole(path);
      const { version, line } = decide(understand(this.path, text));
      if (line !== undefined) {
        await write(file, withMasterKey(text, line), before);
        await rename(draft, path);
        replaced = true;
        await syncFolder(dirname(path));
      }
      return version;
    } catch (error) {
      throw this.explained(error);
    } finally {
      await file.close();
      // Once it is the file, what has its name is another's.
      if (!replaced) await rm(draft, { force: true });
    }
  }

  private async openDraft(draft: string): Promise<FileHandle> {
    for (const deadline = performance.now() + PATIENCE_MS; ; await sleep(RETRY_MS)) {
      try {
        return await open(draft, 'wx', 0o600);
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw this.explained(error);
        if (performance.now() > deadline)
          throw new Error(
            `${draft} is there: another rotation is under way, or was killed. If none runs, delete it`,
          );
      }
    }
  }

  private explained(error: unknown): unknown {
    const code = codeOf(error);
    if (!/^(EROFS|EACCES|EPERM|EBUSY|ENOTSUP)$/.test(code)) return error;
    return new Error(
      `${this.path} cannot be replaced (${code}): rotate as its owner, where its folder can be written. ` +
        'With docker compose: docker compose run --rm --volume ./keys:/app/keys service node dist/src/cli.js kms rotate',
      { cause: error },
    );
  }
}

const lineOf = (version: number, key: Buffer = randomBytes(DATA_KEY_BYTES)): string =>
  `${version}:${key.toString('hex')}`;

function understand(path: string, text: string): MasterKeyLines {
  try {
    return readMasterKeyLines(text);
  } catch (error) {
    throw new Error(`${path} ${(error as Error).message}`, { cause: error });
  }
}

interface WholeFile {
  text: string;
  /** Another one after every change. */
  mark: string;
  mode: number;
  uid: number;
  gid: number;
}

/** All of it from one version of the file. */
async function readWhole(path: string): Promise<WholeFile> {
  const file = await open(path, 'r');
  try {
    const found = await file.stat({ bigint: true });
    const { mode, uid, gid } = found;
    const [permissions, owner, group] = [Number(mode & 0o777n), Number(uid), Number(gid)];
    const text = await file.readFile('utf8');
    return { text, mark: markOf(found), mode: permissions, uid: owner, gid: group };
  } finally {
    await file.close();
  }
}

const markOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(':');

/** For the same people as the file that it replaces, and safe from a loss of power. */
async function write(
  file: FileHandle,
  text: string,
  { mode, uid, gid }: Omit<WholeFile, 'text'>,
): Promise<void> {
  await file.writeFile(text);
  const own = await file.stat();
  if (own.uid !== uid || own.gid !== gid) await file.chown(uid, gid);
  await file.chmod(mode);
  await file.sync();
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
