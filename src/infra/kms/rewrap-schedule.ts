import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { DataSource } from 'typeorm';
import { BACKGROUND } from '../background';
import { advisoryLocks } from '../database/advisory-locks';
import { whileHolding } from '../database/while-holding';
import { Repeated } from '../repeated';
import { Rewrap } from './rewrap.service';

const EVERY_MS = 3_600_000;
/** Ids in one line of the log. */
const NAMED = 10;

/**
 * Finishes what a rotation of the master key has left: at the start of the service and every hour, in one process of the
 * fleet at a time. An error is logged, and the next hour tries again.
 */
@Injectable()
export class RewrapSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Rewrap');
  private readonly repeated = new Repeated(EVERY_MS, (signal) => this.run(signal));

  constructor(
    private readonly rewrap: Rewrap,
    private readonly source: DataSource,
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
      await whileHolding(this.source, advisoryLocks.rewrap, () => this.finish(signal));
    } catch (error) {
      this.logger.warn(`re-wrapping stopped: ${(error as Error).message}`);
    }
  }

  private async finish(signal: AbortSignal): Promise<void> {
    const { version, rewrapped, noKey } = await this.rewrap.run({ signal });
    for (const [table, rows] of rewrapped) {
      this.logger.log(`${rows} secrets in ${table} are under version ${version} of the master key now`);
    }
    if (noKey.size === 0) return;
    const named = [...noKey].slice(0, NAMED).join(', ');
    this.logger.error(`${noKey.size} wrapped secrets are under a version whose key is not here: ${named}`);
  }
}
