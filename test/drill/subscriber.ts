import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { OwnServers } from '../support/servers';
import { PROJECT_ROOT } from './project-root';

const CONSUMER = join(PROJECT_ROOT, 'docs', 'subscribers', 'consumer.mjs');
/** Its group at the stream. */
export const GROUP = 'drill';

/** The example of docs/subscribers, as processes that come and go; they note what they have handled in PostgreSQL. */
export class Subscriber {
  private readonly consumers = new Map<string, ChildProcess>();
  output = '';

  constructor(private readonly servers: OwnServers) {}

  start(name: string): void {
    const child = spawn(process.execPath, [CONSUMER], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        REDIS_URL: this.servers.redisUrl,
        DATABASE_URL: this.servers.databaseUrl,
        GROUP,
        CONSUMER: name,
        ABANDONED_MS: '1000',
        MAX_DELIVERIES: '1000',
      },
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.consumers.set(name, child);
  }

  /** SIGKILL: with whatever it has in hand. */
  async kill(name: string): Promise<void> {
    const child = this.consumers.get(name);
    this.consumers.delete(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  abandon(): void {
    for (const child of this.consumers.values()) child.kill('SIGKILL');
  }

  async end(): Promise<void> {
    await Promise.all([...this.consumers.keys()].map((name) => this.kill(name)));
  }
}
