import { Injectable, Logger } from '@nestjs/common';
import { advisoryLocks } from '../infra/database/advisory-locks';
import { FleetJobs } from '../infra/jobs/fleet-jobs';
import { PurgeDeleted } from './purge-deleted';

/** Has deleted accounts purged every hour. */
@Injectable()
export class PurgeSchedule {
  private readonly logger = new Logger('Purge');

  constructor(
    private readonly purge: PurgeDeleted,
    jobs: FleetJobs,
  ) {
    jobs.add({
      name: 'purge',
      lock: advisoryLocks.purge,
      everyMs: 3_600_000,
      trouble: 'Personal data of deleted accounts is not erased',
      work: (signal) => this.run(signal),
    });
  }

  private async run(signal: AbortSignal): Promise<void> {
    const purged = await this.purge.run(signal);
    if (purged > 0) this.logger.log(`personal data of ${purged} deleted accounts erased`);
  }
}
