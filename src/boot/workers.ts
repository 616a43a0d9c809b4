import cluster, { Worker } from 'node:cluster';
import { once } from 'node:events';
import { Logger } from '@nestjs/common';
import type { Config } from '../config/config';
import { Administrator, serve } from './serve';
import type { Shutdown } from './shutdown';

const SETTLED_MS = 60_000;
const LONGEST_PAUSE_MS = 30_000;
/** The worker that makes the first administrator; numbers are never used again. */
const FIRST = 1;

/** What a worker says when it serves. */
interface Ready {
  kind: 'ready';
  administrator?: Administrator;
}

/**
 * Serves in `WEB_CONCURRENCY` processes on one port, and replaces those that end.
 * @returns when all of them serve. @throws Error when one can't.
 */
export async function serveWithWorkers(
  config: Config,
  shutdown: Shutdown,
): Promise<Administrator | undefined> {
  shutdown.defer(stopWorkers);
  const workers = Array.from({ length: config.WEB_CONCURRENCY }, () => startWorker(config));
  const replies = await Promise.all(workers.map(ready));
  replaceEnded(config, shutdown);
  return replies.find(({ administrator }) => administrator)?.administrator;
}

/** What a worker does: serve, as the one process does where there are no others. */
export async function serveAsWorker(config: Config, shutdown: Shutdown): Promise<void> {
  const isFirst = config.ENVIRONMENT === 'development' && cluster.worker?.id === FIRST;
  const administrator = await serve(config, shutdown, isFirst);
  process.send?.({ kind: 'ready', administrator } satisfies Ready);
}

function startWorker({ DATABASE_URL, REDIS_URL, KITE_API_BASE_URL, KITE_LOGIN_URL }: Config): Worker {
  return cluster.fork({ DATABASE_URL, REDIS_URL, KITE_API_BASE_URL, KITE_LOGIN_URL });
}

function ready(worker: Worker): Promise<Ready> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: Partial<Ready>) => {
      if (message.kind === 'ready') resolve(message as Ready);
    });
    worker.once('exit', () => reject(new Error('a worker process could not start')));
  });
}

/** Ever slower while they keep ending, so that a broken store doesn't keep the machine busy with starts. */
function replaceEnded(config: Config, shutdown: Shutdown): void {
  const logger = new Logger('Workers');
  let failures = 0;
  cluster.on('exit', (worker, code, signal) => {
    if (shutdown.isStopping) return;
    const pause = Math.min(100 * 2 ** failures++, LONGEST_PAUSE_MS);
    logger.warn(
      `process ${worker.process.pid} ended (${signal || code}), the next one starts in ${pause} ms`,
    );
    setTimeout(() => {
      if (shutdown.isStopping) return;
      startWorker(config);
      setTimeout(() => (failures = Math.max(0, failures - 1)), SETTLED_MS).unref();
    }, pause);
  });
}

async function stopWorkers(): Promise<void> {
  const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  await Promise.all(
    workers.map(async (worker) => {
      if (worker.isDead()) return;
      const ended = once(worker, 'exit');
      worker.process.kill('SIGTERM');
      await ended;
    }),
  );
}
