import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';
import { BACKGROUND } from '../../infra/background';
import { failureReason } from '../../infra/logging/failure-reason';
import { Repeated } from '../../infra/repeated';

const EVERY_MS = 60_000;
/** Each has up to some megabytes, and a statement a second. */
const BATCH = 5;

/** Deletes exports that are over, when the service starts and every minute. Until then nobody is shown them. */
@Injectable()
export class ExpiredExports implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('AuditExports');
  private readonly repeated = new Repeated(EVERY_MS, (signal) => this.try(signal));

  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  onApplicationBootstrap(): void {
    if (this.background) this.repeated.start();
  }

  /** Runs before the database pool closes. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.repeated.stop();
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

  private async try(signal: AbortSignal): Promise<void> {
    try {
      await this.run(signal);
    } catch (error) {
      this.logger.warn(`old exports could not be deleted: ${failureReason(error)}`);
    }
  }
}
