import { randomBytes, randomInt } from 'node:crypto';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { DataFolder } from '../../src/embedded/data-folder';
import { forget } from '../../src/embedded/forget';
import { freePort } from '../../src/embedded/ports';
import { redisUrl } from '../../src/embedded/redis';
import { findRedis } from '../../src/embedded/redis-program';
import { ClusterNode } from './cluster-node';
import { dataDirOf, makeTestFolder } from './test-folder';

const PRIMARIES = 3;
const NODES = 6;
/** Redis' own distance between the port for clients and that for nodes. */
const BUS = 10_000;

/** A real Redis Cluster of three primaries with a replica each. */
export interface RedisCluster {
  /** REDIS_URL: three of the nodes. */
  redisUrl: string;
  nodes: readonly ClusterNode[];
  /** The primary that serves a key now, and its replica. */
  serving(key: string): Promise<{ primary: ClusterNode; replica: ClusterNode }>;
  /** Waits until each primary has its replica again. */
  whole(): Promise<void>;
  /** Ends all six, and deletes their data. */
  stop(): Promise<void>;
}

/**
 * Takes about two seconds, and longer with a longer timeout.
 * @param timeoutMs after which a silent node has failed: the longer, the less a busy machine is taken for a dead node.
 */
export async function startRedisCluster(timeoutMs = 1_000): Promise<RedisCluster> {
  const folder = makeTestFolder();
  const data = DataFolder.locate(dataDirOf(folder));
  data.create();
  const program = await findRedis(data, () => undefined);
  const password = randomBytes(24).toString('base64url');
  const nodes: ClusterNode[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
    await forget(dataDirOf(folder));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (let i = 0; i < NODES; i++) {
      data.keepAccess(`node-${i}`, { password, port: await portWithBus() });
      nodes.push(await ClusterNode.start(data, program, i, timeoutMs));
    }
    await form(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    redisUrl: nodes
      .slice(0, PRIMARIES)
      .map(({ port }) => redisUrl({ port, password }))
      .join(),
    nodes,
    serving: (key) => serving(nodes, key),
    whole: () => whole(nodes),
    stop,
  };
}

/** Below those that clients get, so that nobody takes it while a node is away. */
async function portWithBus(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 22_000);
    if ((await freePort(port)) === port && (await freePort(port + BUS)) === port + BUS) return port;
  }
}

async function form(nodes: readonly ClusterNode[]): Promise<void> {
  const [first] = nodes as [ClusterNode];
  const share = Math.ceil(16_384 / PRIMARIES);
  await Promise.all(
    nodes.map(async ({ redis }, i) => {
      await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
      if (i > 0) await redis.cluster('MEET', '127.0.0.1', first.port);
      if (i >= PRIMARIES) return;
      const slots = Array.from({ length: share }, (_, n) => i * share + n).filter((slot) => slot < 16_384);
      await redis.cluster('ADDSLOTS', ...slots);
    }),
  );
  const ids = await Promise.all(nodes.map(({ redis }) => redis.call('CLUSTER', 'MYID') as Promise<string>));
  await every(nodes, async ({ redis }) => (await known(redis)).length === NODES, 'to know each other');
  await Promise.all(nodes.slice(PRIMARIES).map(({ redis }, i) => redis.cluster('REPLICATE', ids[i]!)));
  await whole(nodes);
}

async function whole(nodes: readonly ClusterNode[]): Promise<void> {
  await every(
    nodes,
    async ({ redis }) => {
      const state = String(await redis.cluster('INFO'));
      const [role, , , link] = (await redis.role()) as [string, ...unknown[]];
      // A replica is told to clients when its primary has written something to it.
      const listed = (await redis.cluster('SLOTS')).every((range) => range.length === 4);
      return state.includes('cluster_state:ok') && listed && (role === 'master' || link === 'connected');
    },
    'to be one cluster',
  );
}

const known = async (redis: Redis): Promise<string[]> =>
  String(await redis.cluster('NODES'))
    .trim()
    .split('\n')
    .filter((line) => !/handshake/.test(line));

async function every(
  nodes: readonly ClusterNode[],
  isSo: (node: ClusterNode, number: number) => Promise<boolean>,
  what: string,
): Promise<void> {
  for (const deadline = Date.now() + 30_000; ; await sleep(50)) {
    const answers = await Promise.all(nodes.map((node, i) => isSo(node, i)));
    if (answers.every(Boolean)) return;
    if (Date.now() > deadline) throw new Error(`the nodes take too long ${what}`);
  }
}

async function serving(
  nodes: readonly ClusterNode[],
  key: string,
): Promise<{ primary: ClusterNode; replica: ClusterNode }> {
  const { redis } = nodes.find((node) => node.redis.status === 'ready')!;
  const slot = Number(await redis.cluster('KEYSLOT', key));
  const ranges = await redis.cluster('SLOTS');
  const [, , primary, replica] = ranges.find(([from, to]) => from <= slot && slot <= to)!;
  const at = (node?: readonly unknown[]): ClusterNode => nodes.find(({ port }) => port === node?.[1])!;
  return { primary: at(primary), replica: at(replica) };
}
