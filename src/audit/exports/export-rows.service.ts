import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';
import type { AuditExport, ClaimedExport } from './audit-export';
import { EXPORT_COLUMNS } from './audit-export';

/** Of one part or a page of events, at most a second each; so much later the writer is taken for dead. */
export const LEASE_MS = 10_000;
/** So many writers may die of an export before it is given up. */
const MOST_ATTEMPTS = 5;

/** Someone else writes the export, or it is gone. */
export class ExportTaken extends Error {
  constructor(exportId: string) {
    super(`export ${exportId} is not this writer's any more`);
    this.name = 'ExportTaken';
  }
}

/** A part as it is stored, and where that leaves the export. */
export interface WrittenPart {
  part: number;
  content: Buffer;
  /** In this part and those before it. */
  writtenEvents: number;
  isLast: boolean;
}

/**
 * The rows of exports. Whoever writes one holds it by a lease, and everything that is written of it is written under the
 * condition that the writer still holds it: of two that believe so, one is heard.
 */
@Injectable()
export class ExportRows {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
  ) {}

  /** Null where there is none, or it is somebody else's, or over. */
  async find(userId: string, exportId: string): Promise<AuditExport | null> {
    const [row] = await this.db.query<AuditExport[]>(
      `SELECT ${EXPORT_COLUMNS} FROM audit_exports WHERE id = $1 AND user_id = $2 AND expires_at > $3`,
      [exportId, userId, this.clock.date()],
    );
    return row ?? null;
  }

  /** Newest first. */
  async list(
    userId: string,
    { limit, offset }: { limit: number; offset: number },
  ): Promise<{ exports: AuditExport[]; total: number }> {
    const now = this.clock.date();
    const exports = await this.db.query<AuditExport[]>(
      `SELECT ${EXPORT_COLUMNS} FROM audit_exports WHERE user_id = $1 AND expires_at > $2
       ORDER BY id DESC LIMIT $3 OFFSET $4`,
      [userId, now, limit, offset],
    );
    const [{ total }] = await this.db.query<[{ total: number }]>(
      `SELECT count(*)::int AS total FROM audit_exports WHERE user_id = $1 AND expires_at > $2`,
      [userId, now],
    );
    return { exports, total };
  }

  /** Undefined where it is missing. */
  async part(exportId: string, part: number): Promise<Buffer | undefined> {
    const [row] = await this.db.query<{ content: Buffer }[]>(
      `SELECT content FROM audit_export_parts WHERE export_id = $1 AND part = $2`,
      [exportId, part],
    );
    return row?.content;
  }

  /** Takes on the oldest export that nobody writes. Null where there is none. */
  async claim(writerId: string): Promise<(ClaimedExport & { isHopeless: boolean }) | null> {
    const now = this.clock.date();
    const [rows] = await this.db.query<[(AuditExport & { isHopeless: boolean })[], number]>(
      `WITH waiting AS MATERIALIZED (
         SELECT id AS waiting_id FROM audit_exports
         WHERE status = 'preparing' AND expires_at > $2 AND (writer_until IS NULL OR writer_until <= $2)
         ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
       )
       UPDATE audit_exports SET writer_id = $1, writer_until = $3, attempts = attempts + 1
       FROM waiting WHERE id = waiting_id
       RETURNING ${EXPORT_COLUMNS}, attempts > ${MOST_ATTEMPTS} AS "isHopeless"`,
      [writerId, now, this.leaseEnd()],
    );
    return rows[0] ? { ...rows[0], writerId } : null;
  }

  /** Adds a part. @throws ExportTaken */
  async append({ id, writerId }: ClaimedExport, written: WrittenPart): Promise<void> {
    const rows = await this.db.query<unknown[]>(
      `WITH held AS (
         UPDATE audit_exports SET parts = $3, written_events = $4, writer_until = $6,
           status = CASE WHEN $5::boolean THEN 'ready' ELSE status END,
           writer_id = CASE WHEN $5::boolean THEN NULL ELSE writer_id END,
           -- Nobody asks for them again.
           event_ids = CASE WHEN $5::boolean THEN '{}' ELSE event_ids END,
           event_times = CASE WHEN $5::boolean THEN '{}' ELSE event_times END
         WHERE id = $1 AND writer_id = $2 AND parts = $3 - 1 AND status = 'preparing' AND expires_at > $8
         RETURNING id
       )
       INSERT INTO audit_export_parts (export_id, part, content) SELECT id, $3::int, $7::bytea FROM held RETURNING part`,
      [
        id,
        writerId,
        written.part,
        written.writtenEvents,
        written.isLast,
        this.leaseEnd(),
        written.content,
        this.clock.date(),
      ],
    );
    if (rows.length === 0) throw new ExportTaken(id);
  }

  /** Lets others go on with it, after so many milliseconds. Its writer did not die of it. */
  async release({ id, writerId }: ClaimedExport, afterMs: number): Promise<void> {
    await this.db.query(
      `UPDATE audit_exports SET writer_id = NULL, writer_until = $3, attempts = greatest(attempts - 1, 0)
       WHERE id = $1 AND writer_id = $2`,
      [id, writerId, new Date(this.clock.now() + afterMs)],
    );
  }

  /** Gives an export up for good, unless it is gone. */
  async fail(exportId: string): Promise<void> {
    await this.db.query(
      `UPDATE audit_exports SET status = 'failed', writer_id = NULL, event_ids = '{}', event_times = '{}'
       WHERE id = $1 AND status <> 'failed' AND expires_at > $2`,
      [exportId, this.clock.date()],
    );
  }

  leaseEnd(): Date {
    return new Date(this.clock.now() + LEASE_MS);
  }
}
