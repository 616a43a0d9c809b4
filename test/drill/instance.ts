import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT_ROOT } from './project-root';

const SERVICE = join(PROJECT_ROOT, 'dist', 'src', 'main.js');
const READY_MS = 40_000;
const STARTS = 3;
/** Of what it wrote. */
const KEPT_OUTPUT = 200_000;

export interface StartOptions {
  /** Settings beside its own. */
  env?: Record<string, string>;
  /** A program that runs it, with its arguments: `['faketime', '-f', '+60s']`. */
  under?: string[];
}

/** The built service as a process; it keeps its port from start to start. */
export class Instance {
  readonly url: string;
  /** What it wrote, over all its starts. */
  output = '';
  /** What it wrote last before each end that nobody had asked for. */
  readonly crashes: string[] = [];
  private child?: ChildProcess;
  private wasEnded = false;
  /** When it was not there to answer, milliseconds of `performance.now()`; the last may go on. */
  private readonly absences: { from: number; to: number }[] = [];

  constructor(
    readonly name: string,
    readonly port: number,
    private readonly folder: string,
    private readonly settings: Record<string, string>,
  ) {
    this.url = `http://127.0.0.1:${port}`;
    this.absences.push({ from: 0, to: Infinity });
  }

  /** Another one on the same stores and keys, not started yet. */
  twin(name: string, port: number): Instance {
    return new Instance(name, port, this.folder, this.settings);
  }

  get pid(): number {
    return this.child!.pid!;
  }

  get isRunning(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** As a supervisor does: what ends before it serves is started again. @throws Error with its output. */
  async start(options: StartOptions = {}): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.startOnce(options);
      } catch (error) {
        if (this.wasEnded || tries === STARTS) throw error;
      }
    }
  }

  private async startOnce({ env = {}, under = [] }: StartOptions): Promise<void> {
    this.wasEnded = false;
    const [file, ...args] = [...under, process.execPath, SERVICE];
    const child = spawn(file, args, {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        PORT: String(this.port),
        PUBLIC_URL: 'http://localhost:8001',
        ...this.settings,
        ...env,
      },
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-KEPT_OUTPUT);
      });
    child.once('exit', () => {
      if (this.child !== child || this.isAbsent(performance.now())) return;
      this.crashes.push(this.output.slice(-1_000));
      this.leave();
    });
    await this.ready();
    this.absences.at(-1)!.to = performance.now();
  }

  /** Ends it, and waits for that. Whatever it does not answer from now on is no wonder. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    this.wasEnded = true;
    if (!child || !this.isRunning) return;
    this.leave();
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** Ends it as a crash would, and starts it again. */
  async restart(options: StartOptions = {}): Promise<void> {
    await this.end('SIGKILL');
    await this.start(options);
  }

  /** Whether the process was missing, at least for a part of this time. */
  wasAbsent(from: number, to: number): boolean {
    return this.absences.some((absence) => absence.from <= to && absence.to >= from);
  }

  private isAbsent(at: number): boolean {
    return this.wasAbsent(at, at);
  }

  private leave(): void {
    this.absences.push({ from: performance.now(), to: Infinity });
  }

  private async ready(): Promise<void> {
    for (const deadline = Date.now() + READY_MS; Date.now() < deadline; await sleep(50)) {
      if (!this.isRunning) break;
      const reply = await fetch(`${this.url}/health/live`).catch(() => undefined);
      if (reply?.ok) return;
    }
    throw new Error(`instance ${this.name} did not start:\n${this.output.slice(-4_000)}`);
  }
}
