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
import { FanOut } from './fan-out.service';

const POLL_MS = 400;
/** Of 50 webhooks that want all, 12,500 rows: a quarter of a second, of the one that a statement has. */
const STRETCH = 250;

/** Has deliveries made in every process: whoever comes first does the next stretch of the chain. */
@Injectable()
export class FanOutLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly database = new DependencyLog(
    new Logger('Webhooks'),
    'Deliveries of webhooks cannot be made',
  );
  private readonly repeated = new Repeated(POLL_MS, (signal) => this.catchUp(signal));
  /** Halved by each failure: many webhooks may ask for more rows than PostgreSQL makes in the time of a statement. */
  private stretch = STRETCH;

  constructor(
    private readonly fanOut: FanOut,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  onApplicationBootstrap(): void {
    if (this.background) this.repeated.start();
  }

  /** Runs before the database pool closes. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.repeated.stop();
  }

  private async catchUp(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const { links } = await this.fanOut.advance(this.stretch);
        this.database.worked();
        if (links < this.stretch) break;
        this.stretch = Math.min(this.stretch * 2, STRETCH);
      }
    } catch (error) {
      this.stretch = Math.max(Math.floor(this.stretch / 2), 1);
      this.database.failed(failureReason(error));
    }
  }
}
