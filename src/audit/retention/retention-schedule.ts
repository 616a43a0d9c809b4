import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Clock } from '../../common/clock';
import { CONFIG, Config } from '../../config/config';
import { BACKGROUND } from '../../infra/background';
import { advisoryLocks } from '../../infra/database/advisory-locks';
import { whileHolding } from '../../infra/database/while-holding';
import { Repeated } from '../../infra/repeated';
import { addMonths } from '../seals/utc-day';
import { DropMonths, MustStay } from './drop-months';

const EVERY_MS = 3_600_000;

/**
 * Has months dropped that are older than AUDIT_RETENTION_MONTHS: at the start of the service and every hour, in one
 * process of the fleet at a time. A month that has to stay, or a table that is in use, waits for the next time.
 */
@Injectable()
export class RetentionSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Retention');
  private readonly repeated = new Repeated(EVERY_MS, () => this.run());

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(BACKGROUND) private readonly background: boolean,
    private readonly clock: Clock,
    private readonly source: DataSource,
    private readonly dropMonths: DropMonths,
  ) {}

  onApplicationBootstrap(): void {
    if (this.background && this.config.AUDIT_RETENTION_MONTHS > 0) this.repeated.start();
  }

  /** Runs before the database pool closes. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.repeated.stop();
  }

  /** Drops what is due, once. It logs what it did and why it could not, and does not throw. */
  async run(): Promise<void> {
    try {
      await whileHolding(this.source, advisoryLocks.retention, () => this.dropDue());
    } catch (error) {
      if (error instanceof MustStay) this.logger.warn(`old events stay: ${error.message}`);
      else
        this.logger.warn(`old events could not be dropped, next try in an hour: ${(error as Error).message}`);
    }
  }

  private async dropDue(): Promise<void> {
    const today = this.clock.date().toISOString().slice(0, 10);
    const before = addMonths(today, -this.config.AUDIT_RETENTION_MONTHS);
    const [{ due }] = await this.source.query<[{ due: boolean }]>(
      `SELECT coalesce(dropped_before < $1, (SELECT min(day) FROM event_seals) IS NOT NULL) AS due FROM audit_retention`,
      [before],
    );
    if (!due) return;
    const dropped = await this.dropMonths.run(before);
    this.logger.log(`events before ${before} dropped: ${dropped.join(', ') || 'there were none'}`);
  }
}
