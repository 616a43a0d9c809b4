import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { BACKGROUND } from '../infra/background';
import { withDeadline } from '../infra/deadline';
import { PurgeDeleted } from './purge-deleted';

const EVERY_MS = 3_600_000;
const STOP_MS = 2_000;

/** Has deleted accounts purged when the service starts, and every hour. An error is logged, and the next hour tries again. */
@Injectable()
export class PurgeSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Purge');
  private readonly stop = new AbortController();
  private timer?: NodeJS.Timeout;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly purge: PurgeDeleted,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  onApplicationBootstrap(): void {
    if (this.background) this.running = this.run();
  }

  /** Runs before the database pool closes. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stop.abort();
    clearTimeout(this.timer);
    await withDeadline(this.running, STOP_MS, 'the purge').catch(() => {});
  }

  private async run(): Promise<void> {
    try {
      const purged = await this.purge.run(this.stop.signal);
      if (purged > 0) this.logger.log(`personal data of ${purged} deleted accounts erased`);
    } catch (error) {
      this.logger.warn(`the purge stopped: ${(error as Error).message}`);
    }
    if (this.stop.signal.aborted) return;
    this.timer = setTimeout(() => {
      this.running = this.run();
    }, EVERY_MS).unref();
  }
}
