import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';
import { advisoryLocks } from '../../infra/database/advisory-locks';
import { FleetJobs } from '../../infra/jobs/fleet-jobs';

/** Each has up to some megabytes, and a statement a second. */
const BATCH = 5;

/** Deletes exports that are over, every minute. Until then nobody is shown them. */
@Injectable()
export class ExpiredExports {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    jobs: FleetJobs,
  ) {
    jobs.add({
      name: 'expired_exports',
      lock: advisoryLocks.expiredExports,
      everyMs: 60_000,
      trouble: 'Exports that are over are not deleted',
      work: async (signal) => void (await this.run(signal)),
    });
  }

  /** Any number of processes may do so at once. @returns how many it has deleted. */
  async run(signal?: AbortSignal): Promise<number> {
    for (let deleted = 0; ;) {
      const [, count] = await this.db.query<[unknown[], number]>(
        `WITH over AS MATERIALIZED (
           SELECT id FROM audit_exports WHERE expires_at <= $1 ORDER BY expires_at LIMIT ${BATCH}
           FOR UPDATE SKIP LOCKED
         )
         DELETE FROM audit_exports USING over WHERE audit_exports.id = over.id`,
        [this.clock.date()],
      );
      deleted += count;
      if (count < BATCH || signal?.aborted) return deleted;
    }
  }
}
