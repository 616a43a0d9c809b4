/** A relay in a process of its own: all of it, or what links and does not publish. */
import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Config, loadConfig } from '../../src/config/config';
import { Effects } from '../../src/infra/events/effects';
import { POLL_MS, Relay } from '../../src/infra/events/relay';
import { RelayLease } from '../../src/infra/events/relay-lease';
import { RelayRedis } from '../../src/infra/events/relay-redis';
import { RelayTerm } from '../../src/infra/events/relay-term';
import { newTarget } from '../../src/infra/events/targets/new-target';
import { answerJobs } from './child';

export interface RelayJob {
  databaseUrl: string;
  redisUrl: string;
  /** What it does from now on. */
  does: 'nothing' | 'link' | 'link and publish';
}

Logger.overrideLogger(false);
let stop = (): Promise<void> => Promise.resolve();

answerJobs<RelayJob, void>(async ({ databaseUrl, redisUrl, does }) => {
  await stop();
  stop = () => Promise.resolve();
  const config = loadConfig({ DATABASE_URL: databaseUrl, REDIS_URL: redisUrl });
  if (does === 'link') stop = await startLinking(config);
  if (does === 'link and publish') {
    const relay = new Relay(config, true);
    relay.onApplicationBootstrap();
    stop = () => relay.onApplicationShutdown();
  }
});

async function startLinking(config: Config): Promise<() => Promise<void>> {
  const lease = await RelayLease.open(config);
  const number = await lease.acquire();
  if (number === null) throw new Error('another relay leads');
  const redis = new RelayRedis(config);
  const term = new RelayTerm(lease, newTarget(config, redis, number), redis, new Effects(), number);
  let linking = true;
  const loop = (async () => {
    while (linking) if (!(await term.link()).more) await sleep(POLL_MS);
  })();
  return async () => {
    linking = false;
    await loop;
    await lease.close();
  };
}
