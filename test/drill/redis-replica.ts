import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { DataFolder } from '../../src/embedded/data-folder';
import { freePort } from '../../src/embedded/ports';
import { findRedis } from '../../src/embedded/redis-program';
import type { World } from './world';

const READY_MS = 20_000;
const PORT_MS = 5_000;

/** A Redis that follows that of the drill, until it stands alone, and takes its place. */
export class RedisReplica {
  private constructor(
    readonly url: string,
    private readonly primary: URL,
    private readonly process: ChildProcess,
    private readonly redis: Redis,
    private readonly operator: Redis,
    private readonly folder: string,
  ) {}

  /** @throws Error where it does not get hold of the primary. */
  static async start({ servers, redis: operator }: Pick<World, 'servers' | 'redis'>): Promise<RedisReplica> {
    const primary = new URL(servers.redisUrl);
    const port = await freePort();
    const { file, env } = await findRedis(DataFolder.locate(servers.dataDir), () => undefined);
    const folder = mkdtempSync(join(tmpdir(), 'user-service-drill-'));
    const child = spawn(file, ['-'], { env, cwd: folder, stdio: ['pipe', 'ignore', 'inherit'] });
    child.stdin.end(
      [
        `bind 127.0.0.1\nport ${port}\ndir ${JSON.stringify(folder)}\nsave ""`,
        `requirepass ${primary.password}\nmasterauth ${primary.password}`,
        `replicaof 127.0.0.1 ${primary.port}\nrepl-diskless-sync-delay 0\nmaxmemory-policy noeviction\n`,
      ].join('\n'),
    );
    const own = Object.assign(new URL(primary), { port: String(port) });
    const redis = new Redis(own.href, { maxRetriesPerRequest: null, commandTimeout: 5_000 });
    redis.on('error', () => undefined);
    const replica = new RedisReplica(own.href, primary, child, redis, operator, folder);
    try {
      await replica.caughtUp();
    } catch (error) {
      await replica.stop();
      throw error;
    }
    return replica;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** From now on it lacks what the primary does. */
  async standAlone(): Promise<void> {
    await this.redis.replicaof('NO', 'ONE');
  }

  /** Answers at the address of the primary, which has to be gone. @throws Error where somebody else keeps its port. */
  async takePlace(): Promise<void> {
    const take = (): Promise<unknown> => this.redis.config('SET', 'port', this.primary.port);
    // A client that looks for the primary may have got its number for its own end of a connection; it lets go of it.
    for (const deadline = Date.now() + PORT_MS; Date.now() < deadline; await sleep(20))
      if (await take().then(Boolean, () => false)) return;
    await take();
  }

  async stop(): Promise<void> {
    this.redis.disconnect();
    const ended = once(this.process, 'exit');
    if (this.process.exitCode === null && this.process.kill('SIGKILL')) await ended;
    rmSync(this.folder, { recursive: true });
  }

  /** Waits until it has what the primary had at this moment. @throws Error where that takes too long. */
  async caughtUp(): Promise<void> {
    const due = await this.offsetOf(this.operator, 'master_repl_offset');
    for (const deadline = Date.now() + READY_MS; Date.now() < deadline; await sleep(20))
      if ((await this.offsetOf(this.redis, 'slave_repl_offset')) >= due) return;
    throw new Error('the replica does not follow');
  }

  private async offsetOf(redis: Redis, name: string): Promise<number> {
    const info = await redis.info('replication').catch(() => '');
    if (name.startsWith('slave') && !info.includes('master_link_status:up')) return -1;
    return Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1] ?? -1);
  }
}
