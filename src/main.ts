/**
 * Starts the service. Development needs nothing: a PostgreSQL, a Redis, a sandbox in Kite's place, keys, tables and
 * an administrator are made on the way. Elsewhere all of that must be there, and `readConfig` says what is missing.
 */
import 'reflect-metadata';
import cluster from 'node:cluster';
import { Config } from './config/config';
import { requireFreePort } from './boot/free-port';
import { openKite } from './boot/open-kite';
import { openStores } from './boot/open-stores';
import { prepareDevelopment, requireMigrated } from './boot/prepare';
import { readConfig } from './boot/read-config';
import { serve } from './boot/serve';
import { Shutdown } from './boot/shutdown';
import { printSummary } from './boot/summary';
import { serveAsWorker, serveWithWorkers } from './boot/workers';

async function start(settings: Config, shutdown: Shutdown): Promise<void> {
  if (cluster.isWorker) return serveAsWorker(settings, shutdown);
  const isDevelopment = settings.ENVIRONMENT === 'development';

  await requireFreePort(settings);
  const config = await openKite(await openStores(settings, shutdown), shutdown);
  await (isDevelopment ? prepareDevelopment(config) : requireMigrated(config));
  const administrator =
    config.WEB_CONCURRENCY > 1
      ? await serveWithWorkers(config, shutdown)
      : await serve(config, shutdown, isDevelopment);
  if (administrator) printSummary(config, administrator);
}

const config = readConfig();
const shutdown = new Shutdown((config.SHUTDOWN_DRAIN_SECONDS + 20) * 1000);
start(config, shutdown).catch(async (error: Error) => {
  process.stderr.write(`${config.DEBUG ? error.stack : error.message}\n`);
  await shutdown.exit(1);
});
