import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PROJECT_ROOT } from './project-root';
import type { World } from './world';

const CLI = join(PROJECT_ROOT, 'dist', 'src', 'cli.js');

/** `npm run cli` on the stores and the master key of the instances. */
export class Command {
  output = '';
  /** null where a signal ended it. */
  readonly code: Promise<number | null>;
  private readonly child: ChildProcess;

  constructor({ servers, folder, kite }: World, args: string[]) {
    this.child = spawn(process.execPath, [CLI, ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: servers.databaseUrl,
        REDIS_URL: servers.redisUrl,
        LOCAL_KMS_KEY_PATH: join(folder, 'keys', 'master.key'),
        KITE_API_BASE_URL: kite.url,
        PUBLIC_URL: 'http://localhost:8001',
      },
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.code = once(this.child, 'close').then(([code]) => code as number | null);
  }

  /** SIGKILL, wherever it is. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.code;
  }

  /** Waits for its end. @throws Error with what it said where it failed. */
  async done(): Promise<string> {
    if ((await this.code) !== 0) throw new Error(`a command failed:\n${this.output}`);
    return this.output;
  }
}
