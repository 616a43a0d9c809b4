import type { Worker } from 'node:cluster';
import type { Logger } from 'pino';
import type { Shutdown } from './shutdown';
import type { WorkerPool } from './worker-pool';

/**
 * Replaces all workers by new ones, with the code and the `.env` that are there now: one at a time, and none leaves
 * before another serves in its place. When a new one does not start, or dies, those that serve stay. Whoever asks while
 * one is under way gets another one after it.
 */
export class RollingRestart {
  private isUnderWay = false;
  private isWanted = false;

  constructor(
    private readonly pool: WorkerPool,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  request(): void {
    this.isWanted = true;
    if (!this.isUnderWay) void this.run();
  }

  private async run(): Promise<void> {
    this.isUnderWay = true;
    while (this.isWanted && !this.shutdown.isStopping) {
      this.isWanted = false;
      await this.replaceAll();
    }
    this.isUnderWay = false;
  }

  private async replaceAll(): Promise<void> {
    // They may have begun with the code and the `.env` of before.
    await this.pool.settled();
    if (this.shutdown.isStopping) return;
    const old = this.pool.serving;
    this.logger.info(`rolling restart of ${old.length} processes`);
    try {
      await this.replace(old);
      if (!this.shutdown.isStopping) this.logger.info('rolling restart done');
    } catch (error) {
      if (this.shutdown.isStopping) return;
      this.logger.error(
        `the rolling restart stopped: ${(error as Error).message}. Those that serve go on serving`,
      );
      this.pool.fillUp();
    }
  }

  /** @throws Error when a new one does not start, or has died. */
  private async replace(old: readonly Worker[]): Promise<void> {
    const young = new Set<Worker>();
    const requireYoung = (): void => {
      if (![...young].every((each) => this.pool.serving.includes(each))) {
        throw new Error('a new process has died');
      }
    };
    for (const worker of old) {
      // One that has died meanwhile has a successor.
      if (!this.pool.serving.includes(worker)) continue;
      requireYoung();
      await this.pool.start();
      requireYoung();
      for (const each of this.pool.serving) if (!old.includes(each)) young.add(each);
      await this.pool.retire(worker);
      if (this.shutdown.isStopping) return;
    }
  }
}
