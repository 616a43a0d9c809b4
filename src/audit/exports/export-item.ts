import type { AuditExport } from './audit-export';
import type { AuditExportFilters, AuditExportItem } from './audit-exports.dto';

/** An export as its owner sees it. @param publicUrl under which people reach the service. */
export function exportItem(made: AuditExport, publicUrl: string): AuditExportItem {
  return {
    export_id: made.id,
    format: made.format,
    status: made.status,
    written_events: made.writtenEvents,
    total_events: made.totalEvents,
    truncated: made.truncated,
    filters: filtersOf(made),
    created_at: made.createdAt.toISOString(),
    expires_at: made.expiresAt.toISOString(),
    download_url: `${publicUrl.replace(/\/$/, '')}/v1/audit/export/${made.id}`,
  };
}

export const filtersOf = ({ eventType, startDate, endDate }: AuditExport): AuditExportFilters => ({
  event_type: eventType,
  start_date: startDate?.toISOString() ?? null,
  end_date: endDate?.toISOString() ?? null,
});
