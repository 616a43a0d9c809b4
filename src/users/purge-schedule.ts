import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { BACKGROUND } from '../infra/background';
import { Repeated } from '../infra/repeated';
import { PurgeDeleted } from './purge-deleted';

const EVERY_MS = 3_600_000;

/** Has deleted accounts purged when the service starts, and every hour. An error is logged, and the next hour tries again. */
@Injectable()
export class PurgeSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Purge');
  private readonly repeated = new Repeated(EVERY_MS, (signal) => this.run(signal));

  constructor(
    private readonly purge: PurgeDeleted,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  onApplicationBootstrap(): void {
    if (this.background) this.repeated.start();
  }

  /** Runs before the database pool closes. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.repeated.stop();
  }

  private async run(signal: AbortSignal): Promise<void> {
    try {
      const purged = await this.purge.run(signal);
      if (purged > 0) this.logger.log(`personal data of ${purged} deleted accounts erased`);
    } catch (error) {
      this.logger.warn(`the purge stopped: ${(error as Error).message}`);
    }
  }
}
