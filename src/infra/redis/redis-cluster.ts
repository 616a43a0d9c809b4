import { Cluster, ClusterNode, ClusterOptions, Redis } from 'ioredis';
import { makeImpatient } from './impatient-redis';

/**
 * As often as this the nodes are asked who serves what; while one is away, as often as that. A primary that hangs keeps its
 * connections: a client that asks it nothing learns only so that another took over, perhaps without a revocation.
 */
const ROUND_MS = 1_000;
const LOOK_MS = 200;
/** What says that a slot is, or is about to be, another node's. */
const ELSEWHERE = /^(MOVED|ASK|READONLY|CLUSTERDOWN|MASTERDOWN|LOADING)\b/;

/**
 * A cluster client with the manners of our single connection: each command has a deadline, none waits for a node that is
 * away, none is sent again but where a node has said that it did not carry it out (MOVED, ASK, TRYAGAIN).
 *
 * Emits `error` when a node goes away, once until it is back, and `changed` when a primary has a new connection or
 * slots a new primary: each time the last writes may be lost.
 */
export class RedisCluster extends Cluster {
  private readonly away = new Set<string>();
  private primaries = '';
  private round?: NodeJS.Timeout;
  private look?: NodeJS.Timeout;
  private hasEnded = false;

  constructor(nodes: ClusterNode[], { redisOptions, ...options }: ClusterOptions) {
    super(nodes, {
      lazyConnect: true,
      // Of the nodes' connections only: of those that stand, none waits.
      enableOfflineQueue: false,
      // Whether all slots are served is not the question: those that are go on.
      enableReadyCheck: false,
      maxRedirections: 5,
      // A closed connection may have carried a command out, and a cluster that is down is a 503.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      clusterRetryStrategy: (attempt) => Math.min(attempt * 200, 1_000),
      // Certificates are of names.
      dnsLookup: (address, callback) => callback(null, address),
      ...options,
      redisOptions: {
        ...redisOptions,
        // A node of which the client still waits for the end must not take its successor's place with it.
        disconnectTimeout: 100,
      },
    });
    this.ping = () => Promise.any(this.nodes('master').map((node) => node.ping().catch(isThere)));
    this.on('+node', (node: Redis) => this.adopt(node));
    this.on('-node', () => this.lookSoon());
    // Also of connections made to ask who serves what, which say nothing of one that stands.
    this.on('node error', (error: Error, key: string) => {
      if (this.status !== 'ready') this.noteAway(key, error);
    });
    this.on('refresh', () => this.notePrimaries());
    this.on('ready', () => void this.connectAll());
    this.on('connecting', () => this.begin());
    this.on('end', () => this.finish());
    // Every node's end is a `close` of the whole, also after its end.
    this.on('close', () => {
      if (this.hasEnded) this.status = 'end';
    });
  }

  /** Resolves when every node that can be reached is. @throws Error when none can. */
  override async connect(): Promise<void> {
    await super.connect();
    await this.connectAll();
  }

  /** With a timer of our own: that of ioredis outlives a client that is disconnected while it asks. */
  private begin(): void {
    this.hasEnded = false;
    this.round ??= setInterval(() => this.lookNow(), ROUND_MS).unref();
  }

  private finish(): void {
    this.hasEnded = true;
    clearInterval(this.round);
    clearTimeout(this.look);
    this.round = this.look = undefined;
  }

  private adopt(node: Redis): void {
    makeImpatient(node);
    // Nothing is ever read from a replica: what it holds may be of before a revocation.
    node.readonly = () => Promise.resolve('OK');
    const send = node.sendCommand.bind(node);
    node.sendCommand = (...args) => {
      const answer = send(...args);
      args[0].promise.catch((error: Error) => {
        if (ELSEWHERE.test(error.message)) this.lookSoon();
      });
      return answer;
    };
    node.on('error', (error) => this.noteAway(keyOf(node), error));
    node.on('ready', () => {
      this.away.delete(keyOf(node));
      if (this.nodes('master').includes(node)) this.emit('changed');
    });
    if (this.status === 'ready') void connect(node);
  }

  /** Ahead of the first command: those that come while a connection is made fail. */
  private async connectAll(): Promise<void> {
    await Promise.all(this.nodes().map(connect));
  }

  private lookSoon(): void {
    this.look ??= setTimeout(() => {
      this.look = undefined;
      this.lookNow();
    }, LOOK_MS).unref();
  }

  private lookNow(): void {
    if (this.status === 'ready') this.refreshSlotsCache();
  }

  private noteAway(key: string, error: Error): void {
    if (this.away.has(key)) return;
    this.away.add(key);
    if (this.listenerCount('error') > 0)
      this.emit('error', new Error(`${key}: ${error.message}`, { cause: error }));
  }

  private notePrimaries(): void {
    const found: string[] = [];
    let last: string | undefined;
    for (let slot = 0; slot < 16_384; slot++) {
      // ioredis fails over a slot that nobody serves; so it is one that no node is known for.
      const [primary] = (this.slots[slot] ??= []);
      if (primary !== last) found.push(`${slot} ${primary}`);
      last = primary;
    }
    const primaries = found.join();
    if (this.primaries && primaries !== this.primaries) this.emit('changed');
    this.primaries = primaries;
  }
}

const keyOf = ({ options }: Redis): string => `${options.host}:${options.port}`;

async function connect(node: Redis): Promise<void> {
  // Why it failed is an `error` of the node.
  if (node.status === 'wait') await node.connect().catch(() => undefined);
}

/** One that cannot save refuses a PING too, and what only reads goes on there. */
function isThere(error: Error): 'PONG' {
  if (!error.message.startsWith('MISCONF')) throw error;
  return 'PONG';
}
