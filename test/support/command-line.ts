import { ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BUILT = join(__dirname, '..', '..', 'dist', 'src');

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** `npm run cli` and `npm run migrate` as the last build made them, away from the .env of whoever runs the tests. */
export class CommandLine {
  private readonly folder = mkdtempSync(join(tmpdir(), 'user-service-cli-'));
  private readonly env: NodeJS.ProcessEnv;

  constructor(stores: { databaseUrl: string; redisUrl: string }) {
    const key = join(this.folder, 'master.key');
    writeFileSync(key, randomBytes(32).toString('hex'), { mode: 0o600 });
    this.env = {
      PATH: process.env.PATH,
      DATABASE_URL: stores.databaseUrl,
      REDIS_URL: stores.redisUrl,
      LOCAL_KMS_KEY_PATH: key,
      DATA_DIR: join(this.folder, 'data'),
      PASSWORD_BCRYPT_COST: '4',
    };
  }

  /** Runs a command to its end. */
  async run(
    args: string[],
    more: { input?: string; env?: NodeJS.ProcessEnv; file?: string } = {},
  ): Promise<Outcome> {
    const command = this.start(args, more.env, more.file);
    command.child.stdin?.end(more.input ?? '');
    return command.outcome;
  }

  /** Starts a command that goes on. */
  start(args: string[], env: NodeJS.ProcessEnv = {}, file = 'cli.js'): RunningCommand {
    const child = spawn(process.execPath, [join(BUILT, file), ...args], {
      cwd: this.folder,
      env: { ...this.env, ...env },
    });
    return new RunningCommand(child);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

export class RunningCommand {
  stdout = '';
  stderr = '';
  readonly outcome: Promise<Outcome>;

  constructor(readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.outcome = once(child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  get lines(): string[] {
    return this.stdout.split('\n').filter(Boolean);
  }

  async end(signal: NodeJS.Signals): Promise<Outcome> {
    this.child.kill(signal);
    return this.outcome;
  }
}
