import type { Config } from '../config/config';
import { tellStep } from './progress';
import type { Shutdown } from './shutdown';

/**
 * In development, starts a PostgreSQL and a Redis of our own for whichever is not configured. Nothing of them is even
 * loaded when both are.
 * @returns the settings with both URLs.
 */
export async function openStores(config: Config, shutdown: Shutdown): Promise<Config> {
  if (config.DATABASE_URL && config.REDIS_URL) return config;
  const { startEmbedded } = await import('../embedded/embedded.js');
  const embedded = await startEmbedded({
    dataDir: config.DATA_DIR,
    port: config.PORT,
    postgres: config.DATABASE_URL ? false : {},
    redis: config.REDIS_URL ? false : {},
    onStep: tellStep,
  });
  shutdown.defer(() => embedded.stop());
  return Object.freeze({
    ...config,
    DATABASE_URL: config.DATABASE_URL || embedded.databaseUrl,
    REDIS_URL: config.REDIS_URL || embedded.redisUrl,
  });
}
