import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { BACKGROUND } from '../../infra/background';
import { DependencyLog } from '../../infra/logging/dependency-log';
import { failureReason } from '../../infra/logging/failure-reason';
import { Repeated } from '../../infra/repeated';
import { ExpireSessions } from './expire-sessions';

const EVERY_MS = 60_000;

/** Has the end of sessions noticed when the service starts, and every minute. An error is logged, and the next minute tries again. */
@Injectable()
export class ExpirySchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('TradingAccounts');
  private readonly log = new DependencyLog(this.logger, 'The end of sessions at brokers is not noticed');
  private readonly repeated = new Repeated(EVERY_MS, (signal) => this.run(signal));

  constructor(
    private readonly expire: ExpireSessions,
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
      const ended = await this.expire.run(signal);
      if (ended > 0) this.logger.log(`${ended} sessions at brokers are over`);
      this.log.worked();
    } catch (error) {
      this.log.failed(failureReason(error));
    }
  }
}
