import { Inject, Injectable } from '@nestjs/common';
import { AuthenticatedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { newId } from '../../common/ids';
import { CONFIG, Config } from '../../config/config';
import { withDeadline } from '../../infra/deadline';
import { Limit, Limits } from '../../infra/limits/limits';
import { timeRange } from '../reading/time-range';
import { AuditExport, LIFETIME_MS } from './audit-export';
import { AuditExportItem, CreateAuditExportBody } from './audit-exports.dto';
import { exportItem } from './export-item';
import { ExportKey, ExportKeys } from './export-keys.service';
import { ExportRecord } from './export-record';
import { ExportWork } from './export-work.service';

/** So long a reply waits for its file; most are ready by then. */
const WAIT_MS = 1_000;

/** Makes exports of one's own events: the row at once, the file as soon as it is written. */
@Injectable()
export class CreateExport {
  private readonly limit: Limit;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
    private readonly limits: Limits,
    private readonly keys: ExportKeys,
    private readonly record: ExportRecord,
    private readonly work: ExportWork,
  ) {
    this.limit = {
      name: 'audit-exports',
      points: config.RATELIMIT_AUDIT_EXPORTS,
      seconds: config.RATELIMIT_AUDIT_EXPORTS_WINDOW_HOURS * 3600,
    };
  }

  /** @throws rate_limited, validation_failed; not_authenticated where the account was deleted just now; unavailable */
  async run(caller: AuthenticatedCaller, body: CreateAuditExportBody): Promise<AuditExportItem> {
    const { from, to } = timeRange(body);
    await this.limits.consume([this.limit, caller.userId]);
    try {
      const now = this.clock.now();
      const id = newId();
      const key = await this.keys.create(id);
      const made = await this.make(caller, key, {
        id,
        userId: caller.userId,
        format: body.format,
        eventType: body.event_type ?? null,
        startDate: from ?? null,
        endDate: to ?? null,
        status: 'preparing',
        totalEvents: 0,
        writtenEvents: 0,
        truncated: false,
        parts: 0,
        wrappedDataKey: key.wrapped,
        createdAt: new Date(now),
        expiresAt: new Date(now + LIFETIME_MS),
      });
      return exportItem(made, this.config.PUBLIC_URL);
    } catch (error) {
      // What came to nothing counts for nothing.
      await this.limits.giveBack(this.limit, caller.userId).catch(() => {});
      throw error;
    }
  }

  private async make(caller: AuthenticatedCaller, key: ExportKey, wanted: AuditExport): Promise<AuditExport> {
    const place = this.work.reserve();
    let made: AuditExport;
    try {
      made = await this.record.write(caller, wanted, place?.writerId ?? null);
    } catch (error) {
      key.plain.fill(0);
      place?.giveBack();
      throw error;
    }
    if (!place) {
      key.plain.fill(0);
      return made;
    }
    const writing = this.work.start({ ...made, writerId: place.writerId }, place, key.plain);
    const isReady = await withDeadline(writing, WAIT_MS, 'an export').catch(() => false);
    return isReady ? { ...made, status: 'ready', writtenEvents: made.totalEvents } : made;
  }
}
