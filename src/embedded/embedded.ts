/**
 * The development PostgreSQL and Redis: real servers on the loopback address, with random passwords, whose data stays
 * in the data folder. Loaded only where `DATABASE_URL` or `REDIS_URL` is missing; refused outside development.
 */
import { DataFolder } from './data-folder';
import { postgresServer, PostgresSettings, postgresUrl } from './postgres';
import { redisServer, RedisSettings, redisUrl } from './redis';
import { ServerKind, ServerProcess } from './server-process';

export interface EmbeddedOptions {
  /** `DATA_DIR`; see `DataFolder.locate`. */
  dataDir: string;
  /** Port of the HTTP door, for the message to a second process that wants the same folder. */
  port?: number;
  /** Settings of each server, or false for none. */
  postgres?: PostgresSettings | false;
  redis?: RedisSettings | false;
  /** Hears of each step, with its milliseconds when it is done. */
  onStep?: (step: string, milliseconds?: number) => void;
}

export interface Embedded {
  /** Empty where that server was not wanted. */
  databaseUrl: string;
  redisUrl: string;
  postgres?: ServerProcess;
  redis?: ServerProcess;
  /** Stops both; data stays. */
  stop(): Promise<void>;
}

/** @throws Error when the folder is in use, or a server won't start; then none is left running. */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { dataDir, onStep = () => undefined } = options;
  const data = DataFolder.locate(dataDir);
  data.create();
  data.lock.acquire(options.port);
  if (!data.isAt(dataDir)) onStep(`data lies in ${data.path}: the servers can't enter ${dataDir}`);

  const started: ServerProcess[] = [];
  const start = async (make: Promise<ServerKind>, url: typeof redisUrl) => {
    const begin = performance.now();
    const kind = await make;
    const server = new ServerProcess(kind, data);
    started.push(server);
    const { version, ...access } = await server.start();
    onStep(`${kind.name} ${version} on 127.0.0.1:${access.port}`, performance.now() - begin);
    return { server, url: url(access) };
  };

  // A process that ends without stopping them leaves none behind all the same; a `kill -9` does, until the next start.
  const abandon = (): void => started.forEach((server) => server.abandon());
  process.once('exit', abandon);
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
    process.removeListener('exit', abandon);
    data.lock.release();
  };

  const nothing = Promise.resolve(undefined);
  const both = [
    options.postgres === false ? nothing : start(postgresServer(data, options.postgres ?? {}), postgresUrl),
    options.redis === false ? nothing : start(redisServer(data, options.redis ?? {}, onStep), redisUrl),
  ] as const;
  await Promise.allSettled(both);
  try {
    const [postgres, redis] = await Promise.all(both);
    return {
      databaseUrl: postgres?.url ?? '',
      redisUrl: redis?.url ?? '',
      postgres: postgres?.server,
      redis: redis?.server,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
