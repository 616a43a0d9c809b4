import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isRunning, markOf, ProcessMark } from './process-mark';

/** The process that uses a data folder. */
export interface LockHolder extends ProcessMark {
  /** Port of its HTTP door, where it has one. */
  port?: number;
}

/** Keeps a second process out of a data folder, and lets the next one in after a `kill -9`. */
export class FolderLock {
  constructor(private readonly file: string) {}

  /** @throws Error naming the process that has the folder. */
  acquire(port?: number): void {
    const mine: LockHolder = { ...markOf(process.pid)!, port };
    const draft = `${this.file}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(mine));
    try {
      this.removeStale();
      linkSync(draft, this.file);
    } catch (error) {
      const holder = this.holder();
      if (!holder) throw error;
      const where = holder.port ? ` on port ${holder.port}` : '';
      throw new Error(`the service already runs here: process ${holder.pid}${where}. Stop it first`, {
        cause: error,
      });
    } finally {
      rmSync(draft, { force: true });
    }
  }

  release(): void {
    if (this.holder()?.pid === process.pid) rmSync(this.file, { force: true });
  }

  /** @returns undefined when nobody living holds it. */
  holder(): LockHolder | undefined {
    const holder = parse(this.text());
    return holder && isRunning(holder) ? holder : undefined;
  }

  /** Renames before it deletes: of two processes that find the same dead holder, only one takes the lock away. */
  private removeStale(): void {
    const seen = this.text();
    if (seen === undefined || this.holder()) return;
    const aside = `${this.file}.stale.${process.pid}`;
    renameSync(this.file, aside);
    if (readFileSync(aside, 'utf8') !== seen) linkSync(aside, this.file);
    rmSync(aside);
  }

  private text(): string | undefined {
    try {
      return readFileSync(this.file, 'utf8');
    } catch {
      return undefined;
    }
  }
}

function parse(text: string | undefined): LockHolder | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as LockHolder);
  } catch {
    return undefined;
  }
}
