import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { AppError } from '../../common/app-error';
import { newId } from '../../common/ids';
import { BACKGROUND } from '../../infra/background';
import { withDeadline } from '../../infra/deadline';
import { IntegrityError } from '../../infra/kms/integrity-error';
import { failureReason } from '../../infra/logging/failure-reason';
import { Repeated } from '../../infra/repeated';
import { isUnavailable } from '../../infra/unavailable';
import type { ClaimedExport } from './audit-export';
import { ExportDamage } from './export-damage.service';
import { ExportKeys } from './export-keys.service';
import { ExportRows, ExportTaken } from './export-rows.service';
import { ExportWriter } from './export-writer.service';

/** Of one process: enough to use what PostgreSQL gives, few enough to leave the rest to those who wait for a reply. */
const AT_ONCE = 2;
const EVERY_MS = 2_000;
const RETRY_MS = 5_000;
const STOP_MS = 2_000;

/** The right to write one export, in this process. */
export interface WritingPlace {
  writerId: string;
  /** Where nothing comes of it. */
  giveBack(): void;
}

/**
 * Has exports written: those that were made here, and those whose writer is not heard of any more, whichever process it
 * was. What PostgreSQL or the KMS cannot answer now is tried again until the export is over; of anything else it fails.
 */
@Injectable()
export class ExportWork implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('AuditExports');
  private readonly stopping = new AbortController();
  private readonly repeated = new Repeated(EVERY_MS, () => this.takeOn());
  private readonly underWay = new Set<Promise<boolean>>();
  private places = AT_ONCE;

  constructor(
    private readonly rows: ExportRows,
    private readonly keys: ExportKeys,
    private readonly writer: ExportWriter,
    private readonly damage: ExportDamage,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  onApplicationBootstrap(): void {
    if (this.background) this.repeated.start();
  }

  /** Ends after the parts in hand, and leaves the rest to others. Runs before the database pool closes. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort(new Error('the service stops'));
    await this.repeated.stop();
    await withDeadline(Promise.all(this.underWay), STOP_MS, 'the writing of exports').catch(() => {});
  }

  /** Null where this process writes as many as it may. */
  reserve(): WritingPlace | null {
    if (this.places === 0 || this.stopping.signal.aborted) return null;
    this.places--;
    let isHeld = true;
    const giveBack = (): void => {
      if (isHeld) this.places++;
      isHeld = false;
    };
    return { writerId: newId(), giveBack };
  }

  /**
   * Writes an export that is claimed for this place. Never throws.
   * @param key in the clear, which is overwritten afterwards; unwrapped, where none is given.
   * @returns whether it is ready.
   */
  start(claimed: ClaimedExport, place: WritingPlace, key?: Buffer): Promise<boolean> {
    const done = this.write(claimed, key).finally(() => {
      this.underWay.delete(done);
      place.giveBack();
      // Another may have waited for the place.
      void this.takeOn();
    });
    this.underWay.add(done);
    return done;
  }

  private async takeOn(): Promise<void> {
    for (let place = this.reserve(); place; place = this.reserve()) {
      const claimed = await this.claim(place.writerId);
      if (!claimed) return place.giveBack();
      void this.start(claimed, place);
    }
  }

  private async claim(writerId: string): Promise<ClaimedExport | null> {
    try {
      const claimed = await this.rows.claim(writerId);
      if (!claimed?.isHopeless) return claimed;
      this.logger.error(`export ${claimed.id} is given up: whoever writes it dies`);
      await this.rows.fail(claimed.id);
    } catch (error) {
      this.logger.warn(`exports wait: ${failureReason(error)}`);
    }
    return null;
  }

  private async write(claimed: ClaimedExport, given?: Buffer): Promise<boolean> {
    let key = given;
    try {
      key ??= await this.keys.open(claimed);
      await this.writer.write(claimed, key, this.stopping.signal);
      return true;
    } catch (error) {
      await this.stopped(claimed, error).catch(() => {
        // Its lease ends by itself.
      });
      return false;
    } finally {
      key?.fill(0);
    }
  }

  private async stopped(claimed: ClaimedExport, error: unknown): Promise<void> {
    if (error instanceof ExportTaken) return;
    if (this.stopping.signal.aborted) return this.rows.release(claimed, 0);
    if (error instanceof IntegrityError) return void (await this.damage.found(claimed));
    if (isPassing(error)) return this.rows.release(claimed, RETRY_MS);
    this.logger.error(`export ${claimed.id} failed: ${failureReason(error)}`);
    await this.rows.fail(claimed.id);
  }
}

const isPassing = (error: unknown): boolean =>
  isUnavailable(error) || (error instanceof AppError && error.kind === 'unavailable');
