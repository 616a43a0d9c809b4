/**
 * Starts the service. Development needs nothing: a PostgreSQL, a Redis, a sandbox in Kite's place, keys, tables and
 * an administrator are made on the way. Elsewhere all of that must be there, and `readSettings` says what is missing.
 */
import 'reflect-metadata';
import cluster from 'node:cluster';
import { requireFreePort } from './boot/free-port';
import { HangUp } from './boot/hang-up';
import { openKite } from './boot/open-kite';
import { openStores } from './boot/open-stores';
import { prepareDevelopment, requireMigrated } from './boot/prepare';
import { readSettings, Settings } from './boot/read-config';
import { serve, Serving } from './boot/serve';
import { Shutdown } from './boot/shutdown';
import { printSummary } from './boot/summary';
import type { Config } from './config/config';

async function start(settings: Settings, shutdown: Shutdown): Promise<void> {
  if (cluster.isWorker) {
    // Whoever tells a whole group of processes means the primary.
    process.on('SIGHUP', () => undefined);
    return (await import('./boot/worker.js')).serveAsWorker(settings.config, shutdown);
  }
  const hangUp = new HangUp(shutdown);

  await requireFreePort(settings.config);
  const config = await openKite(await openStores(settings.config, shutdown), shutdown);
  await (config.ENVIRONMENT === 'development' ? prepareDevelopment(config) : requireMigrated(config));
  const { administrator } =
    config.WEB_CONCURRENCY > 1
      ? await (await import('./boot/workers.js')).serveWithWorkers(config, settings, shutdown, hangUp)
      : await serveAlone(config, shutdown, hangUp);
  if (administrator) printSummary(config, administrator);
}

async function serveAlone(config: Config, shutdown: Shutdown, hangUp: HangUp): Promise<Serving> {
  hangUp.answerWith(() => {
    process.stderr.write(
      'SIGHUP changes nothing: one process (WEB_CONCURRENCY=1) cannot restart without a gap\n',
    );
  });
  return serve(config, shutdown, config.ENVIRONMENT === 'development');
}

const settings = readSettings();
const { config } = settings;
const shutdown = new Shutdown((config.SHUTDOWN_DRAIN_SECONDS + 20) * 1000);
start(settings, shutdown).catch(async (error: Error) => {
  process.stderr.write(`${config.DEBUG ? error.stack : error.message}\n`);
  await shutdown.exit(1);
});
