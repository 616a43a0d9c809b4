import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { BACKGROUND } from '../../infra/background';
import { withDeadline } from '../../infra/deadline';
import { DependencyLog } from '../../infra/logging/dependency-log';
import { failureReason } from '../../infra/logging/failure-reason';
import { ExpireSessions } from './expire-sessions';

const EVERY_MS = 60_000;
const STOP_MS = 2_000;

/** Has the end of sessions noticed when the service starts, and every minute. An error is logged, and the next minute tries again. */
@Injectable()
export class ExpirySchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('TradingAccounts');
  private readonly log = new DependencyLog(this.logger, 'The end of sessions at brokers is not noticed');
  private readonly stop = new AbortController();
  private timer?: NodeJS.Timeout;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly expire: ExpireSessions,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  onApplicationBootstrap(): void {
    if (this.background) this.running = this.run();
  }

  /** Runs before the database pool closes. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stop.abort();
    clearTimeout(this.timer);
    await withDeadline(this.running, STOP_MS, 'the end of sessions').catch(() => {});
  }

  private async run(): Promise<void> {
    try {
      const ended = await this.expire.run(this.stop.signal);
      if (ended > 0) this.logger.log(`${ended} sessions at brokers are over`);
      this.log.worked();
    } catch (error) {
      this.log.failed(failureReason(error));
    }
    if (this.stop.signal.aborted) return;
    this.timer = setTimeout(() => {
      this.running = this.run();
    }, EVERY_MS).unref();
  }
}
