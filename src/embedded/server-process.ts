import { ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Access, DataFolder } from './data-folder';
import { freePort } from './ports';
import { endProcess, isRunning, markOf, ProcessMark, sendSignal } from './process-mark';
import { ownerOf } from './server-user';

/** For a port, or for what a killed predecessor left, to become free. */
const RETRY_MS = 5_000;
/** Crash recovery of a large database takes its time. */
const READY_MS = 60_000;

/** PostgreSQL: fast, then immediate shutdown. Redis saves on the first, and needs no second. */
const STOP: [NodeJS.Signals, number][] = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 3_000],
  ['SIGKILL', 5_000],
];
const MARK_SUFFIX = '.process.json';

export interface Command {
  file: string;
  args: string[];
  env?: Record<string, string>;
}

/** What there is to know of a kind of server. */
export interface ServerKind {
  name: string;
  /** Prefix of its files in the data folder. */
  key: string;
  /** Its data; it runs as the owner of that. */
  folder: string;
  /** Called right before each start, when nothing runs on the folder. */
  prepare(access: Required<Access>): Command;
  /** @returns its version. @throws while it isn't ready. */
  probe(access: Required<Access>): Promise<string>;
}

/** A server of ours: a process on the loopback address, with a password, its data kept in the data folder. */
export class ServerProcess {
  private mark?: ProcessMark;
  private access?: Required<Access>;

  constructor(
    private readonly kind: ServerKind,
    private readonly data: DataFolder,
  ) {}

  /** Number of the running process. */
  get pid(): number {
    if (!this.mark) throw new Error(`${this.kind.name} is not running`);
    return this.mark.pid;
  }

  /** Of its last start. */
  get port(): number | undefined {
    return this.access?.port;
  }

  get isRunning(): boolean {
    return this.mark !== undefined && isRunning(this.mark);
  }

  /**
   * Ends what an earlier service left running, and starts anew: on the same port, or on another if it was taken.
   * @returns how to reach it, and its version.
   * @throws Error with the end of its log when it won't start.
   */
  async start(): Promise<Required<Access> & { version: string }> {
    await this.stop();
    for (const deadline = Date.now() + RETRY_MS; ; await sleep(200)) {
      const kept = this.data.access(this.kind.key);
      const access = { ...kept, port: await freePort(kept.port) };
      try {
        const version = await this.attempt(access);
        if (access.port !== kept.port) this.data.keepAccess(this.kind.key, access);
        this.access = access;
        return { ...access, version };
      } catch (error) {
        await this.stop();
        if (Date.now() > deadline) throw error;
      }
    }
  }

  /** Stops it, however it is; its data stays. */
  async stop(): Promise<void> {
    const mark = this.mark ?? readMark(this.markFile);
    if (mark) await endProcess(mark, STOP);
    rmSync(this.markFile, { force: true });
    this.mark = undefined;
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    if (this.mark) await endProcess(this.mark, [['SIGKILL', 5_000]]);
  }

  /** Asks it to stop, without waiting: for the last moment of this process. */
  abandon(): void {
    if (this.mark) sendSignal(this.mark, 'SIGINT');
  }

  private async attempt(access: Required<Access>): Promise<string> {
    const child = this.spawn(access);
    const ended = new Promise<Error | null>((resolve) => {
      child.once('error', resolve);
      child.once('exit', () => resolve(null));
    });
    for (const deadline = Date.now() + READY_MS; ;) {
      const outcome = await Promise.race([ended, this.kind.probe(access).catch(() => sleep(20, undefined))]);
      if (typeof outcome === 'string') return outcome;
      if (outcome !== undefined) {
        throw new Error(`${this.kind.name} did not start: ${outcome?.message ?? this.logTail()}`);
      }
      if (Date.now() > deadline) throw new Error(`${this.kind.name} is not ready after ${READY_MS / 1000} s`);
    }
  }

  private spawn(access: Required<Access>): ChildProcess {
    const { file, args, env } = this.kind.prepare(access);
    const log = openSync(this.logFile, 'w', 0o600);
    // Detached: a Ctrl-C in the terminal is for the service, which stops its servers when it needs them no more.
    const child = spawn(file, args, {
      cwd: this.kind.folder,
      ...ownerOf(this.kind.folder),
      env: { PATH: process.env.PATH, LANG: 'C.UTF-8', TZ: 'UTC', ...env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    child.unref();
    this.mark = child.pid ? markOf(child.pid) : undefined;
    if (this.mark) writeFileSync(this.markFile, JSON.stringify(this.mark));
    return child;
  }

  private logTail(): string {
    const lines = readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-5);
    return [...lines, `(${this.logFile})`].join('\n  ');
  }

  private get markFile(): string {
    return this.data.file(this.kind.key + MARK_SUFFIX);
  }

  private get logFile(): string {
    return this.data.file(`${this.kind.key}.log`);
  }
}

/** Ends the servers that a killed service left running on a folder. */
export async function stopLeftovers(data: DataFolder): Promise<void> {
  const files = data.files().filter((file) => file.endsWith(MARK_SUFFIX));
  await Promise.all(
    files.map(async (file) => {
      const mark = readMark(data.file(file));
      if (mark) await endProcess(mark, STOP);
    }),
  );
}

function readMark(file: string): ProcessMark | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessMark;
  } catch {
    return undefined;
  }
}
