import { Inject, Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Clock } from '../../common/clock';
import { CONFIG, Config } from '../../config/config';
import { advisoryLocks } from '../../infra/database/advisory-locks';
import { FleetJobs } from '../../infra/jobs/fleet-jobs';
import { addMonths } from '../seals/utc-day';
import { DropMonths, MustStay } from './drop-months';

/**
 * Has months dropped every hour that are older than AUDIT_RETENTION_MONTHS. A month that has to stay, or a table that is
 * in use, waits for the next time.
 */
@Injectable()
export class RetentionSchedule {
  private readonly logger = new Logger('Retention');

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
    private readonly source: DataSource,
    private readonly dropMonths: DropMonths,
    jobs: FleetJobs,
  ) {
    if (config.AUDIT_RETENTION_MONTHS === 0) return;
    jobs.add({
      name: 'retention',
      lock: advisoryLocks.retention,
      everyMs: 3_600_000,
      trouble: 'Old events are not dropped',
      work: (signal) => this.run(signal),
    });
  }

  private async run(signal: AbortSignal): Promise<void> {
    try {
      await this.dropDue(signal);
    } catch (error) {
      // Another instance begins it anew.
      if (signal.aborted) return;
      if (!(error instanceof MustStay)) throw error;
      this.logger.warn(`old events stay: ${error.message}`);
    }
  }

  private async dropDue(signal: AbortSignal): Promise<void> {
    const today = this.clock.date().toISOString().slice(0, 10);
    const before = addMonths(today, -this.config.AUDIT_RETENTION_MONTHS);
    const [{ due }] = await this.source.query<[{ due: boolean }]>(
      `SELECT coalesce(dropped_before < $1, (SELECT min(day) FROM event_seals) IS NOT NULL) AS due FROM audit_retention`,
      [before],
    );
    if (!due) return;
    const dropped = await this.dropMonths.run(before, { signal });
    this.logger.log(`events before ${before} dropped: ${dropped.join(', ') || 'there were none'}`);
  }
}
