import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { DataSource } from 'typeorm';
import { BACKGROUND } from '../../infra/background';
import { advisoryLocks } from '../../infra/database/advisory-locks';
import { whileHolding } from '../../infra/database/while-holding';
import { Repeated } from '../../infra/repeated';
import { BrokenChain, SealDays } from './seal-days';

const EVERY_MS = 5 * 60_000;

/**
 * Has the days that are over sealed: at the start of the service and every five minutes, in one process of the fleet at a
 * time. An error is logged, and the next time tries again.
 */
@Injectable()
export class SealSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Seals');
  private readonly repeated = new Repeated(EVERY_MS, (signal) => this.run(signal));

  constructor(
    private readonly sealDays: SealDays,
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
      const days = await whileHolding(this.source, advisoryLocks.seals, () => this.sealDays.run(signal));
      if (days && days.length > 0) this.logger.log(`sealed ${days.join(', ')}`);
    } catch (error) {
      const text = `sealing stopped: ${(error as Error).message}`;
      if (error instanceof BrokenChain) this.logger.error(text);
      else this.logger.warn(text);
    }
  }
}
