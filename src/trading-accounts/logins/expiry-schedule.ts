import { Injectable, Logger } from '@nestjs/common';
import { advisoryLocks } from '../../infra/database/advisory-locks';
import { FleetJobs } from '../../infra/jobs/fleet-jobs';
import { ExpireSessions } from './expire-sessions';

/** Has the end of sessions noticed every minute. */
@Injectable()
export class ExpirySchedule {
  private readonly logger = new Logger('TradingAccounts');

  constructor(
    private readonly expire: ExpireSessions,
    jobs: FleetJobs,
  ) {
    jobs.add({
      name: 'broker_sessions',
      lock: advisoryLocks.brokerSessions,
      everyMs: 60_000,
      trouble: 'The end of sessions at brokers is not noticed',
      work: (signal) => this.run(signal),
    });
  }

  private async run(signal: AbortSignal): Promise<void> {
    const ended = await this.expire.run(signal);
    if (ended > 0) this.logger.log(`${ended} sessions at brokers are over`);
  }
}
