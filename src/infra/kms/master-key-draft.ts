import type { BigIntStats } from 'node:fs';
import { FileHandle, link, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface DraftPatience {
  /** For how long another's draft is waited for. */
  waitMs: number;
  /** A draft that nobody has touched for so long is of a rotation that was killed: it takes milliseconds. */
  abandonedMs: number;
}

export const DRAFT_PATIENCE: DraftPatience = { waitMs: 15_000, abandonedMs: 10_000 };
const RETRY_MS = 50;

export interface FileOwner {
  mode: number;
  uid: number;
  gid: number;
}

/** What a file will be, beside it. It is the lock too: whoever finds one there waits until it has become the file. */
export class MasterKeyDraft {
  private hasReplaced = false;

  private constructor(
    private readonly path: string,
    private readonly draft: string,
    private readonly file: FileHandle,
  ) {}

  /** @throws Error where another's stays, or none can be made there. */
  static async take(path: string, { waitMs, abandonedMs }: DraftPatience): Promise<MasterKeyDraft> {
    const draft = `${path}.new`;
    for (const deadline = performance.now() + waitMs; ; await sleep(RETRY_MS)) {
      try {
        return new MasterKeyDraft(path, draft, await open(draft, 'wx', 0o600));
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error;
      }
      if (performance.now() > deadline)
        throw new Error(`${draft} is there: another rotation is under way. If none runs, delete it`);
      await removeAbandoned(draft, abandonedMs);
    }
  }

  /** Becomes the file, in one step, for the same people as the one before. */
  async replace(text: string, { mode, uid, gid }: FileOwner): Promise<void> {
    await this.file.writeFile(text);
    const own = await this.file.stat();
    if (own.uid !== uid || own.gid !== gid) await this.file.chown(uid, gid);
    await this.file.chmod(mode);
    await this.file.sync();
    if (!(await this.isOurs())) throw new Error(`${this.draft} was taken for abandoned: rotate again`);
    await rename(this.draft, this.path);
    this.hasReplaced = true;
    // The version is in force, and must not be called failed. Not every file system can do it.
    await syncFolder(dirname(this.path)).catch(() => undefined);
  }

  /** Leaves nothing behind where it has not become the file. */
  async end(): Promise<void> {
    // Once it is the file, what has its name is another's.
    const isLeft = !this.hasReplaced && (await this.isOurs());
    await this.file.close();
    if (isLeft) await rm(this.draft, { force: true });
  }

  private async isOurs(): Promise<boolean> {
    const own = await this.file.stat({ bigint: true });
    const there = await stat(this.draft, { bigint: true }).catch(() => null);
    return there?.ino === own.ino && there.dev === own.dev;
  }
}

/** Of several who find it one removes it, and none removes the next one: the second name can be made only once. */
async function removeAbandoned(draft: string, abandonedMs: number): Promise<void> {
  try {
    const found = await stat(draft, { bigint: true });
    if (Date.now() - Number(found.mtimeMs) < abandonedMs) return;
    const claim = `${draft}.${found.ino}`;
    await link(draft, claim);
    try {
      if (isSame(await stat(claim, { bigint: true }), found)) await rm(draft, { force: true });
    } finally {
      await rm(claim, { force: true });
    }
  } catch (error) {
    // Gone, or another one is about to.
    if (!hasCode(error, 'ENOENT', 'EEXIST')) throw error;
  }
}

const isSame = (one: BigIntStats, other: BigIntStats): boolean =>
  one.ino === other.ino && one.mtimeNs === other.mtimeNs;

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const hasCode = (error: unknown, ...codes: string[]): boolean =>
  codes.includes((error as NodeJS.ErrnoException).code ?? '');
