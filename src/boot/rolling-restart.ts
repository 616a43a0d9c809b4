import type { Logger } from 'pino';
import type { Shutdown } from './shutdown';
import type { WorkerPool } from './worker-pool';

/**
 * Replaces all workers by new ones, with the code and the `.env` that are there now: one at a time, and none leaves
 * before another serves in its place. Whoever asks while one is under way gets another one after it.
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
    const old = this.pool.serving;
    this.logger.info(`rolling restart of ${old.length} processes`);
    for (const worker of old) {
      // One that has died meanwhile has a successor.
      if (!this.pool.serving.includes(worker)) continue;
      try {
        await this.pool.start();
      } catch (error) {
        if (this.shutdown.isStopping) return;
        this.logger.error(
          `the rolling restart stopped: ${(error as Error).message}. Those that serve go on serving`,
        );
        this.pool.fillUp();
        return;
      }
      await this.pool.retire(worker);
      if (this.shutdown.isStopping) return;
    }
    this.logger.info('rolling restart done');
  }
}
