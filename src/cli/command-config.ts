import { readConfig } from '../boot/read-config';
import type { Config } from '../config/config';

/**
 * The configuration of a command: where it names no servers, the embedded ones of the service that runs here.
 * @throws Error when the embedded servers are needed and not running.
 */
export async function commandConfig(): Promise<Config> {
  const config = readConfig();
  if (config.DATABASE_URL && config.REDIS_URL) return config;
  const { embeddedUrls } = await import('../embedded/embedded-urls.js');
  const urls = await embeddedUrls(config.DATA_DIR);
  const DATABASE_URL = config.DATABASE_URL || urls?.databaseUrl;
  const REDIS_URL = config.REDIS_URL || urls?.redisUrl;
  if (DATABASE_URL && REDIS_URL) return Object.freeze({ ...config, DATABASE_URL, REDIS_URL });
  throw new Error('The embedded servers are not running. Start the service first: npm start');
}
