import { Injectable, Logger } from '@nestjs/common';
import { advisoryLocks } from '../database/advisory-locks';
import { FleetJobs } from '../jobs/fleet-jobs';
import { Rewrap } from './rewrap.service';

/** Ids in one line of the log. */
const NAMED = 10;

/** Finishes what a rotation of the master key has left, every hour. */
@Injectable()
export class RewrapSchedule {
  private readonly logger = new Logger('Rewrap');

  constructor(
    private readonly rewrap: Rewrap,
    jobs: FleetJobs,
  ) {
    jobs.add({
      name: 'rewrap',
      lock: advisoryLocks.rewrap,
      everyMs: 3_600_000,
      trouble: 'Secrets are not put under the newest version of the master key',
      work: (signal) => this.finish(signal),
    });
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
