import { ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/embedded/ports';
import { isRunning, ProcessMark } from '../../src/embedded/process-mark';
import { dataDirOf, makeTestFolder } from './test-folder';

const BUILT = join(__dirname, '..', '..', 'dist', 'src');
const READY = /is ready after/;

/** Below those that clients and sandboxes get, so that nobody takes it before the service does, or while it is away. */
async function portOfService(): Promise<number> {
  for (;;) {
    const port = randomInt(9_000, 12_000);
    if ((await freePort(port)) === port) return port;
  }
}

/** A folder with all that a service makes for itself, and the built programs on it. */
export class ServicePlace {
  readonly folder = makeTestFolder();
  readonly dataDir = dataDirOf(this.folder);
  readonly keyPath = join(this.folder, 'keys', 'master.key');
  private readonly programs: ServiceProgram[] = [];

  private constructor(readonly port: number) {}

  static async make(): Promise<ServicePlace> {
    return new ServicePlace(await portOfService());
  }

  /** `npm start`, as far as it is not the compiler. */
  service(env: Record<string, string> = {}): ServiceProgram {
    return this.run('main.js', env);
  }

  /** `npm run reset`. */
  reset(env: Record<string, string> = {}): ServiceProgram {
    return this.run('embedded/reset.js', env);
  }

  /** The servers of the service, as it keeps them to find them again. */
  servers(): ProcessMark[] {
    return readdirSync(this.dataDir)
      .filter((file) => file.endsWith('.process.json'))
      .map((file) => JSON.parse(readFileSync(join(this.dataDir, file), 'utf8')) as ProcessMark);
  }

  async remove(): Promise<void> {
    for (const program of this.programs) await program.end('SIGKILL');
    await this.reset().exitCode;
    rmSync(this.folder, { recursive: true, force: true });
  }

  private run(file: string, env: Record<string, string>): ServiceProgram {
    const child = spawn(process.execPath, [join(BUILT, file)], {
      // Away from the .env of whoever runs the tests.
      cwd: this.folder,
      env: {
        PATH: process.env.PATH,
        DATA_DIR: this.dataDir,
        LOCAL_KMS_KEY_PATH: this.keyPath,
        HOST: '127.0.0.1',
        PORT: String(this.port),
        LOG_LEVEL: 'warn',
        PASSWORD_BCRYPT_COST: '4',
        // The default, a process a core, takes longer to start.
        WEB_CONCURRENCY: '1',
        ...env,
      },
    });
    const program = new ServiceProgram(child);
    this.programs.push(program);
    return program;
  }
}

export class ServiceProgram {
  /** Everything it has written so far. */
  output = '';
  /** null when a signal ended it. */
  readonly exitCode: Promise<number | null>;

  constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
    // All output has come by then, unlike at 'exit'.
    this.exitCode = once(child, 'close').then(([code]) => code as number | null);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** @throws Error with its output when it ends, or takes too long. */
  async ready(): Promise<this> {
    for (const deadline = Date.now() + 25_000; !READY.test(this.output); await sleep(20)) {
      if (this.child.exitCode !== null || Date.now() > deadline)
        throw new Error(`not ready:\n${this.output}`);
    }
    return this;
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return this.exitCode;
  }
}

export async function ended(marks: ProcessMark[]): Promise<boolean> {
  for (const deadline = Date.now() + 5_000; marks.some(isRunning); await sleep(20)) {
    if (Date.now() > deadline) return false;
  }
  return true;
}
