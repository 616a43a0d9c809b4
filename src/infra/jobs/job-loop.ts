import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { whileHolding } from '../database/while-holding';
import { withDeadline } from '../deadline';
import { DependencyLog } from '../logging/dependency-log';
import { failureReason } from '../logging/failure-reason';
import { FleetJob } from './fleet-job';
import { JobMarks } from './job-marks';
import { jobRuns } from './job-metrics';
import { Slots } from './slots';

/** A process looks so often at least: marks may be lost, and whoever was at it may be dead. */
const LOOK_MS = 60_000;
const BUSY_MS = 5_000;
/** After a failure: what was in the way is seldom there for an hour. */
const RETRY_MS = 5 * 60_000;
const STOP_MS = 2_000;

export interface JobSurroundings {
  source: DataSource;
  marks: JobMarks;
  /** Shared by all loops of the process: each job holds a connection for its lock and works with others. */
  slots: Slots;
  /** Whether the job is due once more because this instance starts, unless somebody began it since. */
  atStart: boolean;
}

/**
 * One job as one process sees it. Whoever finds it due and gets its lock does it and leaves a mark in Redis; the others
 * find the mark. While Redis is away nobody sees marks, and every process does it by its own time.
 */
export class JobLoop {
  private readonly log: DependencyLog;
  private readonly stopping = new AbortController();
  private readonly madeAt = Date.now();
  private atStart: boolean;
  /** For as long as Redis cannot be asked, or refuses marks. */
  private notBefore = 0;
  private isMarked = true;
  private timer?: NodeJS.Timeout;
  private looking: Promise<void> = Promise.resolve();

  constructor(
    private readonly job: FleetJob,
    private readonly around: JobSurroundings,
  ) {
    this.log = new DependencyLog(new Logger('Jobs'), job.trouble);
    this.atStart = around.atStart;
    for (const result of ['done', 'failed']) jobRuns.inc({ task: job.name, result }, 0);
  }

  start(): void {
    this.looking = this.look();
  }

  /** Waits for what is under way, for two seconds at most. What is cut short is due at once, in another process. */
  async stop(): Promise<void> {
    this.stopping.abort();
    clearTimeout(this.timer);
    await withDeadline(this.looking, STOP_MS, `the job ${this.job.name}`).catch(() => undefined);
  }

  /** Does it now, due or not. @returns false where another process is at it. */
  async run(): Promise<boolean> {
    const { source } = this.around;
    return (await whileHolding(source, this.job.lock, () => this.work().then(() => true))) ?? false;
  }

  private async look(): Promise<void> {
    const pause = await this.around.slots
      .run(() => this.runIfDue())
      .catch((error: unknown) => {
        this.log.failed(failureReason(error));
        return BUSY_MS;
      });
    if (this.stopping.signal.aborted) return;
    this.timer = setTimeout(() => this.start(), Math.min(pause, this.job.everyMs)).unref();
  }

  /** @returns after how long to look again. */
  private async runIfDue(): Promise<number> {
    const rest = await this.restMs();
    if (rest > 0 || this.stopping.signal.aborted) return Math.min(rest, LOOK_MS);
    const isMine = await whileHolding(this.around.source, this.job.lock, async () => {
      // Another may just have finished.
      if ((await this.restMs()) <= 0) await this.work();
      return true;
    });
    return isMine ? LOOK_MS : BUSY_MS;
  }

  private async restMs(): Promise<number> {
    try {
      const mark = await this.around.marks.of(this.job.name);
      if (!mark && !this.isMarked) return this.notBefore - Date.now();
      if (!mark || (this.atStart && mark.begunAt < this.madeAt)) return 0;
      this.notBefore = Date.now() + mark.restMs;
      return mark.restMs;
    } catch {
      return this.notBefore - Date.now();
    }
  }

  private async work(): Promise<void> {
    const { name, everyMs } = this.job;
    const begunAt = Date.now();
    const isDone = await this.tryOnce();
    if (this.stopping.signal.aborted) return;
    this.atStart = false;
    const restMs = isDone ? everyMs : Math.min(everyMs, RETRY_MS);
    this.notBefore = Date.now() + restMs;
    jobRuns.inc({ task: name, result: isDone ? 'done' : 'failed' });
    const { marks } = this.around;
    // Without Redis, or with one that is full, each process goes by its own time.
    this.isMarked = await marks.set(name, begunAt, restMs).then(
      () => true,
      () => false,
    );
    if (!isDone) return;
    this.log.worked();
    await marks.succeeded(name).catch(() => undefined);
  }

  private async tryOnce(): Promise<boolean> {
    try {
      await this.job.work(this.stopping.signal);
      return true;
    } catch (error) {
      this.log.failed(failureReason(error));
      return false;
    }
  }
}
