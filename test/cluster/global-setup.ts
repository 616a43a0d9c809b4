import { SHARED_SERVERS } from '../support/database';
import { RedisCluster, startRedisCluster } from '../support/redis-cluster';
import { beginNotes } from '../support/seen-replies';
import { OwnServers, startOwnServers } from '../support/servers';
import { deleteLeftovers, makeTestFolder } from '../support/test-folder';

declare global {
  var clusterServers: { servers: OwnServers; cluster: RedisCluster } | undefined;
}

/** One PostgreSQL and one Redis Cluster for the whole run. */
export default async function globalSetup(): Promise<void> {
  await deleteLeftovers();
  const [servers, cluster] = await Promise.all([startOwnServers(), startRedisCluster(3_000)]);
  globalThis.clusterServers = { servers, cluster };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(1));
  beginNotes(makeTestFolder());
  process.env[SHARED_SERVERS] = JSON.stringify({
    databaseUrl: servers.databaseUrl,
    redisUrl: cluster.redisUrl,
  });
}
