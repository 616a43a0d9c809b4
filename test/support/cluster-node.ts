import { writeFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { DataFolder } from '../../src/embedded/data-folder';
import { markOf, sendSignal } from '../../src/embedded/process-mark';
import { redisUrl } from '../../src/embedded/redis';
import { Program } from '../../src/embedded/redis-program';
import { ServerKind, ServerProcess } from '../../src/embedded/server-process';
import { giveAway, makePrivateFolder } from '../../src/embedded/server-user';

/** Nodes that do not answer for so long have failed. */
const NODE_TIMEOUT_MS = 1_000;
/** A process of a cluster. */
export class ClusterNode {
  private constructor(
    private readonly server: ServerProcess,
    readonly port: number,
    /** A client of this node alone. */
    readonly redis: Redis,
  ) {}

  /** Its port and password are in the data folder. */
  static async start(data: DataFolder, program: Program, number: number): Promise<ClusterNode> {
    const server = new ServerProcess(nodeKind(data, program, number), data);
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

function nodeKind(data: DataFolder, program: Program, number: number): ServerKind {
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
        'cluster-node-timeout': NODE_TIMEOUT_MS,
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
