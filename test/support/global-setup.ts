import { Redis } from 'ioredis';
import { FREE_REDIS_DATABASES, SHARED_SERVERS } from './database';
import { beginNotes } from './seen-replies';
import { OwnServers, startOwnServers } from './servers';
import { deleteLeftovers, makeTestFolder } from './test-folder';

declare global {
  var sharedServers: OwnServers | undefined;
}

/** One PostgreSQL and one Redis for the whole run; each spec takes databases of its own from them. */
export default async function globalSetup(): Promise<void> {
  await deleteLeftovers();
  const servers = await startOwnServers();
  globalThis.sharedServers = servers;
  // Ending by `exit` stops the servers too; a signal alone would leave them to the next run.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(1));

  beginNotes(makeTestFolder());
  const redis = new Redis(servers.redisUrl);
  await redis.sadd(FREE_REDIS_DATABASES, ...Array.from({ length: 63 }, (_, i) => i + 1));
  redis.disconnect();
  const { databaseUrl, redisUrl } = servers;
  process.env[SHARED_SERVERS] = JSON.stringify({ databaseUrl, redisUrl });
}
