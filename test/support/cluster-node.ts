import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { DataFolder } from '../../src/embedded/data-folder';
import { markOf, sendSignal } from '../../src/embedded/process-mark';
import { freePort } from '../../src/embedded/ports';
import { redisUrl } from '../../src/embedded/redis';
import { Program } from '../../src/embedded/redis-program';
import { ServerKind, ServerProcess } from '../../src/embedded/server-process';
import { giveAway, makePrivateFolder } from '../../src/embedded/server-user';

/** A process of a cluster. */
export class ClusterNode {
  private constructor(
    private readonly server: ServerProcess,
    readonly port: number,
    /** A client of this node alone. */
    readonly redis: Redis,
  ) {}

  /**
   * Its port and password are in the data folder.
   * @param timeoutMs a node that does not answer the others for so long has failed.
   */
  static async start(
    data: DataFolder,
    program: Program,
    number: number,
    timeoutMs: number,
  ): Promise<ClusterNode> {
    const server = new ServerProcess(nodeKind(data, program, number, timeoutMs), data);
    const access = await server.start();
    const redis = new Redis(redisUrl(access), {
      maxRetriesPerRequest: null,
      retryStrategy: () => 50,
      disconnectTimeout: 100,
    });
    redis.on('error', () => undefined);
    return new ClusterNode(server, access.port, redis);
  }

  freeze(): void {
    this.signal('SIGSTOP');
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  /** SIGKILL. */
  kill(): Promise<void> {
    return this.server.kill();
  }

  async restart(): Promise<void> {
    for (const deadline = Date.now() + 5_000; (await freePort(this.port)) !== this.port; await sleep(50)) {
      if (Date.now() > deadline) throw new Error(`port ${this.port} is taken`);
    }
    const { port } = await this.server.start();
    if (port !== this.port) throw new Error(`port ${this.port} was taken meanwhile`);
  }

  async stop(): Promise<void> {
    this.redis.disconnect();
    // Nothing of it is kept.
    await this.server.kill();
    await this.server.stop();
  }

  private signal(name: NodeJS.Signals): void {
    const mark = markOf(this.server.pid);
    if (mark) sendSignal(mark, name);
  }
}

function nodeKind(data: DataFolder, program: Program, number: number, timeoutMs: number): ServerKind {
  const key = `node-${number}`;
  const folder = data.file(key);
  const configFile = data.file(`${key}.conf`);
  makePrivateFolder(folder);
  return {
    name: `Redis ${key}`,
    key,
    folder,
    prepare: ({ port, password }) => {
      const directives = {
        bind: '127.0.0.1',
        port,
        requirepass: password,
        masterauth: password,
        dir: JSON.stringify(folder),
        appendonly: 'yes',
        appendfsync: 'no',
        save: '""',
        'maxmemory-policy': 'noeviction',
        'cluster-enabled': 'yes',
        'cluster-config-file': 'nodes.conf',
        'cluster-node-timeout': timeoutMs,
        // However long a slow machine takes with a test, a replica may take over.
        'cluster-replica-validity-factor': 0,
        'cluster-require-full-coverage': 'no',
        'repl-diskless-sync-delay': 0,
        'repl-ping-replica-period': 1,
      };
      const lines = Object.entries(directives).map(([name, value]) => `${name} ${value}\n`);
      writeFileSync(configFile, lines.join(''), { mode: 0o600 });
      giveAway(configFile);
      return { ...program, args: [configFile] };
    },
    probe: async (access) => {
      const redis = new Redis(redisUrl(access), { lazyConnect: true, retryStrategy: () => null });
      redis.on('error', () => undefined);
      try {
        await redis.connect();
        return await redis.ping();
      } finally {
        redis.disconnect();
      }
    },
  };
}
