import cluster, { Worker } from 'node:cluster';
import type { Config } from '../config/config';
import { createLoggers } from '../infra/logging/create-logger';
import { InstanceMetrics } from '../infra/metrics/instance-metrics';
import type { HangUp } from './hang-up';
import type { Settings } from './read-config';
import { RollingRestart } from './rolling-restart';
import type { Administrator } from './serve';
import type { Shutdown } from './shutdown';
import { WorkerPool } from './worker-pool';

/** What the primary decides for its workers, whatever `.env` says by the time they start. */
const FIXED = ['WEB_CONCURRENCY', 'HOST', 'PORT', 'DATA_DIR'] as const;
/** What it may have started itself. */
const FOUND = ['DATABASE_URL', 'REDIS_URL', 'KITE_API_BASE_URL', 'KITE_LOGIN_URL'] as const;

/**
 * Serves in `WEB_CONCURRENCY` processes on one port: replaces those that end, and on SIGHUP all of them, one by one. This
 * process itself answers nobody.
 * @param settings as they were read, before anything was started.
 * @returns when all of them serve. @throws Error when one can't.
 */
export async function serveWithWorkers(
  config: Config,
  settings: Settings,
  shutdown: Shutdown,
  hangUp: HangUp,
): Promise<{ administrator?: Administrator }> {
  const { logger } = createLoggers(config);
  const metrics = new InstanceMetrics(config.WEB_CONCURRENCY, logger);
  // NaN and infinity are lost in JSON.
  cluster.setupPrimary({ serialization: 'advanced' });
  const pool = new WorkerPool(
    {
      wanted: config.WEB_CONCURRENCY,
      hangSeconds: config.WORKER_HANG_SECONDS,
      environment: environmentOf(config, settings),
    },
    shutdown,
    logger,
    metrics,
  );
  const restart = new RollingRestart(pool, shutdown, logger);
  shutdown.defer(stopWorkers);
  const replies = await Promise.all(Array.from({ length: config.WEB_CONCURRENCY }, () => pool.start()));
  hangUp.answerWith(() => restart.request());
  return { administrator: replies.find(({ administrator }) => administrator)?.administrator };
}

/** Undefined takes a variable away. */
function environmentOf(config: Config, settings: Settings): Record<string, string | undefined> {
  const found = FOUND.filter((name) => config[name] !== settings.config[name]);
  return {
    ...Object.fromEntries(settings.fromFile.map((name) => [name, undefined])),
    ...Object.fromEntries([...FIXED, ...found].map((name) => [name, String(config[name])])),
  };
}

async function stopWorkers(): Promise<void> {
  const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  await Promise.all(workers.map((worker) => ended(worker)));
}

async function ended(worker: Worker): Promise<void> {
  if (worker.isDead()) return;
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  worker.process.kill('SIGTERM');
  await exit;
}
