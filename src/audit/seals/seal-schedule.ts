import { Injectable, Logger } from '@nestjs/common';
import { advisoryLocks } from '../../infra/database/advisory-locks';
import { FleetJobs } from '../../infra/jobs/fleet-jobs';
import { BrokenChain, SealDays } from './seal-days';

/** Has the days that are over sealed, every five minutes. A broken chain is told each time. */
@Injectable()
export class SealSchedule {
  private readonly logger = new Logger('Seals');

  constructor(
    private readonly sealDays: SealDays,
    jobs: FleetJobs,
  ) {
    jobs.add({
      name: 'seals',
      lock: advisoryLocks.seals,
      everyMs: 5 * 60_000,
      trouble: 'Days are not sealed',
      work: (signal) => this.run(signal),
    });
  }

  private async run(signal: AbortSignal): Promise<void> {
    try {
      const days = await this.sealDays.run(signal);
      if (days.length > 0) this.logger.log(`sealed ${days.join(', ')}`);
    } catch (error) {
      if (error instanceof BrokenChain) this.logger.error(`sealing stopped: ${error.message}`);
      throw error;
    }
  }
}
