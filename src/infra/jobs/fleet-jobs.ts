import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  OnApplicationBootstrap,
  OnModuleInit,
} from '@nestjs/common';
import cluster from 'node:cluster';
import { DataSource } from 'typeorm';
import { CONFIG, Config } from '../../config/config';
import { BACKGROUND } from '../background';
import { Metrics } from '../metrics/metrics';
import { FleetJob } from './fleet-job';
import { JobLoop } from './job-loop';
import { JobMarks } from './job-marks';
import { jobLastSuccess } from './job-metrics';
import { Slots } from './slots';

const MOST_AT_ONCE = 3;

/**
 * The scheduled jobs of the fleet: each is done once per period by one process of all, once when an instance starts, and
 * soon after a failure.
 */
@Injectable()
export class FleetJobs implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly loops = new Map<string, JobLoop>();
  private readonly slots: Slots;

  constructor(
    @Inject(CONFIG) config: Config,
    @Inject(BACKGROUND) private readonly background: boolean,
    private readonly source: DataSource,
    private readonly marks: JobMarks,
    private readonly metrics: Metrics,
  ) {
    // A job needs two connections. Most are for requests, however few there are.
    const connections = config.DATABASE_POOL_SIZE + config.DATABASE_MAX_OVERFLOW;
    this.slots = new Slots(Math.max(1, Math.min(MOST_AT_ONCE, Math.floor((connections - 1) / 4))));
  }

  /** Call it while the modules initialise. @throws Error when there is one of that name. */
  add(job: FleetJob): void {
    if (this.loops.has(job.name)) throw new Error(`there is a job ${job.name} already`);
    const { source, marks, slots } = this;
    // Of the workers of an instance the first one: those that replace others do not begin anything anew.
    const atStart = !cluster.worker || cluster.worker.id === 1;
    this.loops.set(job.name, new JobLoop(job, { source, marks, slots, atStart }));
  }

  /** Does a job now, due or not. @returns false where another process is at it. */
  async run(name: string): Promise<boolean> {
    return this.loops.get(name)!.run();
  }

  onModuleInit(): void {
    this.metrics.beforeScrape(async () => {
      const successes = await this.marks.successes().catch(() => undefined);
      for (const task of this.loops.keys()) {
        jobLastSuccess.set({ task }, successes ? (successes[task] ?? 0) / 1000 : NaN);
      }
    });
  }

  onApplicationBootstrap(): void {
    if (this.background) for (const loop of this.loops.values()) loop.start();
  }

  /** Runs before the database pool closes. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([...this.loops.values()].map((loop) => loop.stop()));
  }
}
