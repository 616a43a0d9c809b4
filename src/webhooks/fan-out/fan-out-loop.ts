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
/** While no webhook is enabled: the cursor must not fall far behind, and that there is one now has to be noticed. */
const UNWANTED_POLL_MS = 1_000;
/** Of 50 webhooks that want all, 12,500 rows: a quarter of a second, of the one that a statement has. */
const STRETCH = 250;

/** Has deliveries made in every process: whoever comes first does the next stretch of the chain. */
@Injectable()
export class FanOutLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly database = new DependencyLog(
    new Logger('Webhooks'),
    'Deliveries of webhooks cannot be made',
  );
  private readonly repeated = new Repeated(
    () => (this.isWanted ? POLL_MS : UNWANTED_POLL_MS),
    (signal) => this.catchUp(signal),
  );
  /** Whether any webhook was enabled when this loop looked last; also where that is not known. */
  isWanted = true;
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
        const { links, isWanted } = await this.fanOut.advance(this.stretch);
        this.isWanted = isWanted;
        this.database.worked();
        if (links < this.stretch) break;
        this.stretch = Math.min(this.stretch * 2, STRETCH);
      }
    } catch (error) {
      // What was due already can be sent all the same.
      this.isWanted = true;
      this.stretch = Math.max(Math.floor(this.stretch / 2), 1);
      this.database.failed(failureReason(error));
    }
  }
}
