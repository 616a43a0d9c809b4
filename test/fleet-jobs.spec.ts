import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { DataSource } from 'typeorm';
import { Config } from '../src/config/config';
import { FleetJob } from '../src/infra/jobs/fleet-job';
import { FleetJobs } from '../src/infra/jobs/fleet-jobs';
import { JobMarks } from '../src/infra/jobs/job-marks';
import { Metrics } from '../src/infra/metrics/metrics';
import { eventually, startService, TestService } from './support/app';
import { Scrape } from './support/prometheus-text';

const EVERY_MS = 400;
const LOCK = [1970496882, 99] as const;

interface Run {
  process: number;
  begin: number;
  end?: number;
}

describe('A job of the fleet', () => {
  let service: TestService;
  let jobs: FleetJobs[];
  let runs: Run[];
  let name: string;
  let number = 0;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());
  beforeEach(() => {
    jobs = [];
    runs = [];
    name = `test_${++number}`;
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all(jobs.map((each) => each.beforeApplicationShutdown()));
  });

  const quick = (): Promise<void> => sleep(50).then(() => undefined);

  /** One more process of the fleet, as far as this job goes. */
  function join(
    work: FleetJob['work'] = quick,
    { background = true, marks = new JobMarks(service.redis), config = service.config } = {},
  ): FleetJobs {
    const process = jobs.length;
    const each = new FleetJobs(config, background, service.app.get(DataSource), marks, new Metrics());
    each.add({
      name,
      lock: LOCK,
      everyMs: EVERY_MS,
      trouble: 'The test is not done',
      work: async (signal) => {
        const run: Run = { process, begin: performance.now() };
        runs.push(run);
        await work(signal);
        run.end = performance.now();
      },
    });
    jobs.push(each);
    return each;
  }
  const start = (): void => jobs.forEach((each) => each.onApplicationBootstrap());
  const times = (count: number) => eventually(async () => runs.length >= count, `${count} runs`);
  const scraped = async (metric: string, labels = {}): Promise<number> => {
    return (await Scrape.of(service)).value(metric, { task: name, ...labels });
  };

  it('is done by one process at a time, once per period, whichever of four it is', async () => {
    for (let i = 0; i < 4; i++) join();
    start();
    await times(5);
    for (const [i, { begin }] of runs.entries()) {
      // Nobody begins before the period after the end of the one before is over.
      if (i > 0) expect(begin - runs[i - 1]!.end!).toBeGreaterThan(EVERY_MS - 20);
    }
  });

  it('goes on in another process when the one that does it dies, and is done once in that period', async () => {
    join(() => new Promise<void>(() => undefined));
    start();
    await times(1);
    join();
    join();
    jobs.slice(1).forEach((each) => each.onApplicationBootstrap());
    await sleep(EVERY_MS);
    expect(runs).toHaveLength(1);
    const died = performance.now();
    await service.db.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      [...LOCK],
    );
    await times(3);
    expect(runs.slice(0, 3).map(({ process }) => process > 0)).toEqual([false, true, true]);
    expect(runs[1]!.begin - died).toBeLessThan(EVERY_MS * 3);
    expect(runs[2]!.begin - runs[1]!.end!).toBeGreaterThan(EVERY_MS - 20);
  });

  it('is done once more when an instance starts, and once by several that start together', async () => {
    join();
    start();
    await times(1);
    await eventually(async () => runs[0]!.end, 'its end');
    await sleep(50);
    join();
    join();
    jobs.slice(1).forEach((each) => each.onApplicationBootstrap());
    await times(2);
    await sleep(EVERY_MS / 2);
    expect(runs).toHaveLength(2);
  });

  it('that fails is told once, counted, and tried again in the next period', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const log = jest.spyOn(Logger.prototype, 'log').mockReturnValue();
    let failures = 2;
    join(async () => {
      if (failures-- > 0) throw new Error('PostgreSQL is away');
    });
    start();
    await times(3);
    await eventually(async () => log.mock.calls.length > 0, 'the line that it works');
    expect(warn.mock.calls.map(([line]) => String(line))).toEqual([
      'The test is not done: Error: PostgreSQL is away; tried again until it works',
    ]);
    expect(log.mock.calls.map(([line]) => String(line))).toEqual(['The test is not done: works again']);
    expect(runs[1]!.begin - runs[0]!.begin).toBeGreaterThan(EVERY_MS - 20);
    expect(await scraped('user_service_job_runs_total', { result: 'failed' })).toBe(2);
    expect(await scraped('user_service_job_runs_total', { result: 'done' })).toBeGreaterThanOrEqual(1);
  });

  it('tells when it last succeeded, on every instance, whichever has done it', async () => {
    const last = async (of: TestService): Promise<number> =>
      (await Scrape.of(of)).value('user_service_job_last_success_timestamp_seconds', { task: 'purge' });
    await eventually(async () => (await last(service)) > 0, 'the first success');
    const other = await service.another();
    await eventually(async () => (await last(other)) > Date.now() / 1000 - 60, 'its time');
    await other.stop();
  });

  it('that is cut short by the end of its process is due at once in another', async () => {
    const first = join(
      (signal) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
    );
    start();
    await times(1);
    join();
    jobs[1]!.onApplicationBootstrap();
    const stopped = performance.now();
    await first.beforeApplicationShutdown();
    await times(2);
    expect(runs[1]).toMatchObject({ process: 1 });
    expect(runs[1]!.begin - stopped).toBeLessThan(EVERY_MS * 2);
    await sleep(EVERY_MS / 2);
    expect(runs).toHaveLength(2);
  });

  it('is done by each process, still one at a time, while Redis is away', async () => {
    const away = { get: fail, pttl: fail, set: fail, hset: fail } as unknown as Redis;
    const marks = new JobMarks(away);
    join(quick, { marks });
    join(quick, { marks });
    start();
    await times(5);
    for (const process of [0, 1]) {
      const mine = runs.filter((run) => run.process === process);
      for (const [i, { begin }] of mine.entries())
        if (i > 0) expect(begin - mine[i - 1]!.end!).toBeGreaterThan(EVERY_MS - 20);
    }
    for (const [i, { begin }] of runs.entries()) if (i > 0) expect(begin).toBeGreaterThan(runs[i - 1]!.end!);
  });

  it('leaves most connections to requests: with five there is one job at a time', async () => {
    const small: Config = { ...service.config, DATABASE_POOL_SIZE: 4, DATABASE_MAX_OVERFLOW: 1 };
    const one = join(quick, { config: small });
    const other: Run[] = [];
    one.add({
      name: `${name}_other`,
      lock: [LOCK[0], 98],
      everyMs: EVERY_MS,
      trouble: 'Nor is this',
      work: async () => {
        other.push({ process: 0, begin: performance.now() });
        await quick();
        other.at(-1)!.end = performance.now();
      },
    });
    start();
    await times(2);
    await eventually(async () => other.filter(({ end }) => end).length >= 2, 'the other job');
    const all = [...runs, ...other].filter(({ end }) => end).sort((a, b) => a.begin - b.begin);
    for (const [i, { begin }] of all.entries()) if (i > 0) expect(begin).toBeGreaterThan(all[i - 1]!.end!);
    expect(() => one.add({ name, lock: LOCK, everyMs: 1, trouble: '', work: quick })).toThrow(
      `there is a job ${name} already`,
    );
  });

  it('is not done in a command of the CLI', async () => {
    join(quick, { background: false });
    start();
    await sleep(EVERY_MS);
    expect(runs).toEqual([]);
  });
});

const fail = (): Promise<never> => Promise.reject(new Error('Redis is away'));
