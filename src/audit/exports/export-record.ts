import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AuthenticatedCaller } from '../../common/caller';
import { notAuthenticated } from '../../common/common.errors';
import { Events } from '../../infra/events/events';
import type { AuditExport } from './audit-export';
import { ExportEvents } from './export-events.service';
import { ExportRows } from './export-rows.service';

/** The row of a new export, with the choice of its events, and the event that tells of it: all of it or nothing. */
@Injectable()
export class ExportRecord {
  constructor(
    private readonly db: EntityManager,
    private readonly rows: ExportRows,
    private readonly exportEvents: ExportEvents,
    private readonly events: Events,
  ) {}

  /**
   * @param writerId who writes the file; null: whoever finds it.
   * @throws not_authenticated for somebody who was deleted just now.
   */
  async write(
    caller: AuthenticatedCaller,
    wanted: AuditExport,
    writerId: string | null,
  ): Promise<AuditExport> {
    const { id, userId, format, eventType, startDate, endDate } = wanted;
    return this.db.transaction(async (tx) => {
      // Whoever deletes the account waits, and takes the export with it, or was first.
      const [owner] = await tx.query<unknown[]>(
        `SELECT FROM users WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE`,
        [userId],
      );
      if (!owner) throw notAuthenticated();
      await tx.query(
        `INSERT INTO audit_exports (id, user_id, format, event_type, start_date, end_date, total_events, truncated,
           status, event_ids, event_times, wrapped_data_key, writer_id, writer_until, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, 0, false, 'preparing', '{}', '{}', $7, $8, $9, $10, $11)`,
        [
          id,
          userId,
          format,
          eventType,
          startDate,
          endDate,
          wanted.wrappedDataKey,
          writerId,
          writerId && this.rows.leaseEnd(),
          wanted.createdAt,
          wanted.expiresAt,
        ],
      );
      const chosen = await this.exportEvents.choose(tx, id, {
        userId,
        eventType: eventType ?? undefined,
        from: startDate ?? undefined,
        to: endDate ?? undefined,
      });
      await this.events.record(tx, caller, {
        type: 'audit.exported',
        subject: `user:${userId}`,
        resource: `audit_export:${id}`,
        data: {
          export_id: id,
          format,
          total_events: chosen.totalEvents,
          truncated: chosen.truncated,
        },
      });
      return { ...wanted, ...chosen };
    });
  }
}
