import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const FOLDER = join(__dirname, '..', '..', 'docs', 'subscribers');

/** One of the examples of docs/subscribers, as a process. */
export class Subscriber {
  /** What it printed. */
  output = '';
  private readonly child: ChildProcess;

  constructor(file: 'consumer.mjs' | 'webhook-receiver.mjs', env: Record<string, string>) {
    this.child = spawn(process.execPath, [join(FOLDER, file)], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (data: Buffer) => (this.output += data.toString()));
  }

  /** @returns its exit code; null where the signal was its end. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
    return this.child.exitCode;
  }
}
