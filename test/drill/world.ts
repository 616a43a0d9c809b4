/** What the drill is done on: servers and two instances of its own, as processes on the loopback address. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { KiteSandbox, startKiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { freePort } from '../../src/embedded/ports';
import { OwnServers, startOwnServers } from '../support/servers';
import { Seen } from './fault';
import { Instance } from './instance';
import { Subscriber } from './subscriber';
import { Watch, WatchOptions } from './watch';

const UNLIMITED = '1000000000';
/** PostgreSQL has room for two instances with their largest pools, and some more. */
const MAX_CONNECTIONS = 80;
const POOL = 20;
const READY_MS = 30_000;

export class World {
  private constructor(
    /** Short faults, for the quick half. */
    readonly isQuick: boolean,
    readonly servers: OwnServers,
    readonly instances: [Instance, Instance],
    readonly subscriber: Subscriber,
    readonly kite: KiteSandbox,
    /** The operator's own connections; both reconnect by themselves. */
    readonly db: Pool,
    readonly redis: Redis,
    /** Working folder of the instances; their master key is `keys/master.key` in it. */
    readonly folder: string,
  ) {}

  /** @param settings of both instances, beside those of the drill. */
  static async start(isQuick: boolean, settings: Record<string, string> = {}): Promise<World> {
    const servers = await startOwnServers({ maxConnections: MAX_CONNECTIONS });
    const folder = join(servers.dataDir, 'instances');
    mkdirSync(folder);
    const kite = await startKiteSandbox({ isLimited: false });
    const instances = await Promise.all(
      ['a', 'b'].map(
        async (name) =>
          new Instance(name, await freePort(), folder, {
            ...settingsFor(servers, kite, folder),
            ...settings,
          }),
      ),
    );
    const db = new Pool({ connectionString: servers.databaseUrl, max: 3, connectionTimeoutMillis: 5_000 });
    db.on('error', () => undefined);
    const redis = new Redis(servers.redisUrl, { maxRetriesPerRequest: null });
    redis.on('error', () => undefined);
    const world = new World(
      isQuick,
      servers,
      instances as [Instance, Instance],
      new Subscriber(servers),
      kite,
      db,
      redis,
      folder,
    );
    try {
      // One after the other: the first makes the keys.
      for (const instance of instances) await instance.start();
      world.subscriber.start('first');
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  /** Waits until both instances have got over what was before. @throws Error where they don't in half a minute. */
  async ready(): Promise<void> {
    for (const { url, name } of this.instances)
      for (const deadline = Date.now() + READY_MS; ; await sleep(50)) {
        const reply = await fetch(`${url}/health/ready`).catch(() => undefined);
        if (reply?.ok) break;
        if (Date.now() > deadline) throw new Error(`instance ${name} does not become ready`);
      }
  }

  /** After a fault that was not undone. */
  async mend(): Promise<void> {
    await this.servers.restartRedis();
    await this.servers.restartPostgres();
    for (const instance of this.instances) if (!instance.isRunning) await instance.start();
  }

  /** How long a fault lasts, seconds: less in the quick half. */
  async last(seconds: number, quickSeconds = 1.5): Promise<void> {
    await sleep((this.isQuick ? quickSeconds : seconds) * 1000);
  }

  /**
   * Has people use both instances all through a fault, then sees how long it takes until all is well again and that
   * nothing was lost.
   * @param fault from the first thing that breaks to the moment that all is mended.
   */
  async watch(fault: (watch: Watch) => Promise<void>, options: WatchOptions = {}): Promise<Seen> {
    return Watch.run(this, fault, options);
  }

  /** For the last moment of this process. */
  abandon(): void {
    for (const instance of this.instances) if (instance.isRunning) process.kill(instance.pid, 'SIGKILL');
    this.subscriber.abandon();
  }

  async stop(): Promise<void> {
    await this.subscriber.end();
    await Promise.all(this.instances.map((instance) => instance.end('SIGKILL')));
    this.redis.disconnect();
    await this.db.end();
    await this.kite.stop();
    await this.servers.stop();
  }
}

/** Deadlines and pools are those of production; a password costs little, for the machine is shared with the clients. */
function settingsFor(servers: OwnServers, kite: KiteSandbox, folder: string): Record<string, string> {
  return {
    NODE_ENV: 'production',
    DATABASE_URL: servers.databaseUrl,
    REDIS_URL: servers.redisUrl,
    LOCAL_KMS_KEY_PATH: join(folder, 'keys', 'master.key'),
    KITE_API_BASE_URL: kite.url,
    KITE_LOGIN_URL: kite.loginUrl,
    WEB_CONCURRENCY: '1',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'warn',
    PASSWORD_BCRYPT_COST: '4',
    DATABASE_POOL_SIZE: String(POOL),
    RATELIMIT_LOGIN_ATTEMPTS: UNLIMITED,
    RATELIMIT_REGISTER_ATTEMPTS: UNLIMITED,
    RATELIMIT_REFRESH_ATTEMPTS: UNLIMITED,
    RATELIMIT_BROKER_CALLS: UNLIMITED,
    RATELIMIT_CREDENTIALS_READS: UNLIMITED,
  };
}
