import { randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import { MasterKeyLines, readMasterKeyLines, withMasterKey } from '../../config/master-key-lines';
import { DATA_KEY_BYTES } from './envelope';
import { DRAFT_PATIENCE, DraftPatience, FileOwner, MasterKeyDraft } from './master-key-draft';

/** A file with the versions of a master key, see keys/README.md. Other processes may change it at any time. */
export class MasterKeyFile {
  private running: Promise<void> = Promise.resolve();
  private waiting?: Promise<void>;
  private content!: MasterKeyLines;
  private seen = '';

  private constructor(
    private readonly path: string,
    private readonly patience: DraftPatience,
  ) {}

  /** @throws Error when it is missing or cannot be understood. */
  static async open(path: string, patience = DRAFT_PATIENCE): Promise<MasterKeyFile> {
    const file = new MasterKeyFile(path, patience);
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

  /** Replaces the file in one step; those who do so at once, one after the other. */
  private async change(
    decide: (content: MasterKeyLines) => { version: number; line: string | undefined },
  ): Promise<number> {
    const path = await realpath(this.path);
    let draft: MasterKeyDraft | undefined;
    try {
      draft = await MasterKeyDraft.take(path, this.patience);
      const { text, ...before } = await readWhole(path);
      const { version, line } = decide(understand(this.path, text));
      if (line !== undefined) await draft.replace(withMasterKey(text, line), before);
      return version;
    } catch (error) {
      throw this.explained(error);
    } finally {
      await draft?.end();
    }
  }

  private explained(error: unknown): unknown {
    const code = codeOf(error);
    if (!/^(EROFS|EACCES|EPERM|EBUSY|ENOTSUP)$/.test(code)) return error;
    return new Error(
      `${this.path} cannot be replaced (${code}): rotate as its owner, where its folder can be written. ` +
        'With docker compose: docker compose run --rm keys node dist/src/cli.js kms rotate',
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

interface WholeFile extends FileOwner {
  text: string;
  /** Another one after every change. */
  mark: string;
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

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
