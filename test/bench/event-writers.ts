/** Those who record events: each in one transaction after the other, each about a subject of its own. */
import { DataSource } from 'typeorm';
import { Caller } from '../../src/common/caller';
import { Clock } from '../../src/common/clock';
import { newId } from '../../src/common/ids';
import { loadConfig } from '../../src/config/config';
import { dataSourceOptions } from '../../src/infra/database/data-source-options';
import { Events } from '../../src/infra/events/events';
import { answerJobs } from './child';

export interface WritersJob {
  databaseUrl: string;
  redisUrl: string;
  writers: number;
  seconds: number;
}

export interface WritersResult {
  perSecond: number;
  /** Milliseconds of one transaction. */
  p50: number;
  p99: number;
}

let open: Promise<{ db: DataSource; events: Events }> | undefined;

answerJobs<WritersJob, WritersResult>(async ({ databaseUrl, redisUrl, writers, seconds }) => {
  const config = loadConfig({
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    DATABASE_POOL_SIZE: String(writers),
  });
  open ??= new DataSource(dataSourceOptions(config))
    .initialize()
    .then((db) => ({ db, events: new Events(new Clock(), config) }));
  const { db, events } = await open;
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: writers }, async () => {
      const userId = newId();
      const caller: Caller = {
        requestId: newId(),
        ip: '192.0.2.17',
        userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36',
        userId,
        permissions: new Set(),
      };
      while (performance.now() < end) {
        const began = performance.now();
        await db.transaction((tx) =>
          events.record(tx, caller, {
            type: 'user.login',
            subject: `user:${userId}`,
            data: { session_id: newId(), method: 'password', second_factor: null, new_device: false },
          }),
        );
        times.push(performance.now() - began);
      }
    }),
  );
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? NaN;
  return { perSecond: times.length / seconds, p50: at(0.5), p99: at(0.99) };
});
