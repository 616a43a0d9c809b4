import cluster from 'node:cluster';
import type { Config } from '../config/config';
import { handOverCounters } from '../infra/metrics/instance-scrape';
import type { Ping, Pong } from './end-when-silent';
import { requireMigrated } from './prepare';
import { Administrator, serve } from './serve';
import type { Shutdown } from './shutdown';

/** The worker that makes the first administrator; numbers are never used again. */
const FIRST = 1;

/** What a worker says when it serves. */
export interface Ready {
  kind: 'ready';
  administrator?: Administrator;
}

/** What the primary says to a worker in whose place another serves. */
export interface Retire {
  kind: 'retire';
}

/**
 * Serves beside other workers, until the primary or a signal says otherwise. @throws Error when a store can't be reached,
 * or the database lacks a migration: in a rolling restart this may be newer code than the primary's.
 */
export async function serveAsWorker(config: Config, shutdown: Shutdown): Promise<void> {
  shutdown.defer(handOverCounters);
  await requireMigrated(config);
  const isFirst = config.ENVIRONMENT === 'development' && cluster.worker?.id === FIRST;
  const { administrator, leavePort } = await serve(config, shutdown, isFirst);
  process.on('message', ({ kind }: Partial<Retire | Ping>) => {
    if (kind === 'retire') void leavePort().then(() => shutdown.exit(0));
    else if (kind === 'ping') process.send?.({ kind: 'pong' } satisfies Pong);
  });
  process.send?.({ kind: 'ready', administrator } satisfies Ready);
}
