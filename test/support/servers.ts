import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrations } from '../../migrations';
import { loadConfig } from '../../src/config/config';
import { startEmbedded } from '../../src/embedded/embedded';
import { forget } from '../../src/embedded/forget';
import { freePort } from '../../src/embedded/ports';
import { ServerProcess } from '../../src/embedded/server-process';
import { migrate } from '../../src/infra/database/migrate';
import { childrenOf } from './process-tree';
import { dataDirOf, makeTestFolder } from './test-folder';

/** A migrated PostgreSQL and a Redis of one spec's own, to be stopped, killed and started again. */
export interface OwnServers {
  databaseUrl: string;
  redisUrl: string;
  /** Where both keep their data. */
  dataDir: string;
  /** Change with each restart. */
  readonly postgresPid: number;
  readonly redisPid: number;
  /** Stops every process of it with SIGSTOP: connections stay open, and nothing answers. */
  freezePostgres(): void;
  thawPostgres(): void;
  freezeRedis(): void;
  thawRedis(): void;
  /** SIGKILL. */
  killPostgres(): Promise<void>;
  killRedis(): Promise<void>;
  /** Ends it, however it is, and starts it on the same port and data. */
  restartPostgres(): Promise<void>;
  restartRedis(): Promise<void>;
  /** Stops both and deletes their data. */
  stop(): Promise<void>;
}

/** @param maxConnections of PostgreSQL, those of its own processes not counted. */
export async function startOwnServers({ maxConnections = 500 } = {}): Promise<OwnServers> {
  const folder = makeTestFolder();
  const { postgres, redis, ...embedded } = await startEmbedded({
    dataDir: dataDirOf(folder),
    // A machine that loses power takes the test with it.
    postgres: { fsync: 'off', max_connections: maxConnections },
    redis: { databases: 64 },
  });
  if (!postgres || !redis) throw new Error('both servers are needed');
  const stop = async (): Promise<void> => {
    for (const server of [postgres, redis]) signal(server, 'SIGCONT');
    await embedded.stop();
    await forget(dataDirOf(folder));
    rmSync(folder, { recursive: true });
  };
  try {
    const config = loadConfig({ DATABASE_URL: embedded.databaseUrl, REDIS_URL: embedded.redisUrl });
    await migrate(config, migrations);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    databaseUrl: embedded.databaseUrl,
    redisUrl: embedded.redisUrl,
    dataDir: dataDirOf(folder),
    get postgresPid() {
      return postgres.pid;
    },
    get redisPid() {
      return redis.pid;
    },
    freezePostgres: () => signal(postgres, 'SIGSTOP'),
    thawPostgres: () => signal(postgres, 'SIGCONT'),
    freezeRedis: () => signal(redis, 'SIGSTOP'),
    thawRedis: () => signal(redis, 'SIGCONT'),
    killPostgres: () => postgres.kill(),
    killRedis: () => redis.kill(),
    restartPostgres: () => restart(postgres),
    restartRedis: () => restart(redis),
    stop,
  };
}

async function restart(server: ServerProcess): Promise<void> {
  signal(server, 'SIGCONT');
  await server.stop();
  const before = server.port;
  // A client of anybody's may have got the number for its end of a connection; it will let go of it.
  for (const deadline = Date.now() + 5_000; Date.now() < deadline; await sleep(50)) {
    if ((await freePort(before)) === before) break;
  }
  const { port } = await server.start();
  if (port !== before) throw new Error(`port ${before} was taken meanwhile`);
}

/** To a server and its own processes: PostgreSQL has one for each connection. */
function signal(server: ServerProcess, name: NodeJS.Signals): void {
  if (!server.isRunning) return;
  for (const pid of [server.pid, ...childrenOf(server.pid)]) {
    try {
      process.kill(pid, name);
    } catch {
      // It has just ended.
    }
  }
}
