import { existsSync, writeFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { Access, DataFolder } from './data-folder';
import { findRedis } from './redis-program';
import { ServerKind } from './server-process';
import { giveAway, makePrivateFolder } from './server-user';

/** Directives of `redis.conf` beside those of every embedded Redis. */
export type RedisSettings = Record<string, string | number>;

export const redisUrl = ({ port, password }: Required<Access>): string =>
  `redis://:${password}@127.0.0.1:${port}`;

/** A Redis whose append-only file lies in the data folder. It never evicts: sessions are not a cache. */
export async function redisServer(
  data: DataFolder,
  settings: RedisSettings,
  tell: (news: string) => void,
): Promise<ServerKind> {
  const program = await findRedis(data, tell);
  const folder = data.file('redis');
  const configFile = data.file('redis.conf');
  if (!existsSync(folder)) makePrivateFolder(folder);
  return {
    name: 'Redis',
    key: 'redis',
    folder,
    prepare: ({ port, password }) => {
      // In a file, because everybody can read the arguments of a process.
      const directives = {
        bind: '127.0.0.1',
        port,
        requirepass: password,
        dir: JSON.stringify(folder),
        appendonly: 'yes',
        save: '""',
        'maxmemory-policy': 'noeviction',
        ...settings,
      };
      const lines = Object.entries(directives).map(([name, value]) => `${name} ${value}\n`);
      writeFileSync(configFile, lines.join(''), { mode: 0o600 });
      giveAway(configFile);
      return { ...program, args: [configFile] };
    },
    probe: probeRedis,
  };
}

async function probeRedis(access: Required<Access>): Promise<string> {
  const redis = new Redis(redisUrl(access), {
    lazyConnect: true,
    connectTimeout: 1_000,
    commandTimeout: 1_000,
    retryStrategy: () => null,
    enableReadyCheck: false,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    // Refused while it still loads its data.
    await redis.ping();
    return /redis_version:(\S+)/.exec(await redis.info('server'))?.[1] ?? '';
  } finally {
    redis.disconnect();
  }
}
