import { DataFolder } from './data-folder';
import { postgresUrl } from './postgres';
import { redisUrl } from './redis';

/**
 * How to reach the servers of the service that runs on a data folder, for the commands beside it.
 * @returns undefined when none runs there.
 */
export async function embeddedUrls(
  dataDir: string,
): Promise<{ databaseUrl: string; redisUrl: string } | undefined> {
  const data = DataFolder.locate(dataDir);
  if (!data.lock.holder()) return undefined;
  const [postgres, redis] = [data.access('postgres'), data.access('redis')];
  return {
    databaseUrl: postgres.port ? postgresUrl({ port: postgres.port, password: postgres.password }) : '',
    redisUrl: redis.port ? redisUrl({ port: redis.port, password: redis.password }) : '',
  };
}
