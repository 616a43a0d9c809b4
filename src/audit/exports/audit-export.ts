import type { EventType } from '../../infra/events/event-types';

/** An export has no more events than that: the newest. */
export const MOST_EVENTS = 10_000;
/** Then it is gone. */
export const LIFETIME_MS = 24 * 3_600_000;

export type ExportFormatName = 'json' | 'csv';
export type ExportStatus = 'preparing' | 'ready' | 'failed';

/** Which of one's events; a member is null where it leaves nothing out. */
export interface ExportFilters {
  eventType: EventType | null;
  /** Inclusive. */
  startDate: Date | null;
  /** Exclusive. */
  endDate: Date | null;
}

/** A row of `audit_exports`. The events that it holds were chosen when it was made: whoever writes it finds the same. */
export interface AuditExport extends ExportFilters {
  id: string;
  userId: string;
  format: ExportFormatName;
  status: ExportStatus;
  totalEvents: number;
  /** How many of them are in its parts. */
  writtenEvents: number;
  /** Whether there were more than it may hold. */
  truncated: boolean;
  parts: number;
  wrappedDataKey: Buffer;
  createdAt: Date;
  expiresAt: Date;
}

/** One that nobody else writes for the time being. */
export interface ClaimedExport extends AuditExport {
  writerId: string;
}

export const EXPORT_COLUMNS = `id, user_id AS "userId", format, status, event_type AS "eventType",
  start_date AS "startDate", end_date AS "endDate", total_events AS "totalEvents",
  written_events AS "writtenEvents", truncated, parts, coalesce(wrapped_data_key, '') AS "wrappedDataKey",
  created_at AS "createdAt", expires_at AS "expiresAt"`;
