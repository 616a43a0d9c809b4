import type { AuditExport } from './audit-export';
import type { ExportFormat } from './export-format';
import { filtersOf } from './export-item';

/** One object (RFC 8259), an event a line. */
export const jsonFormat: ExportFormat = {
  contentType: 'application/json; charset=utf-8',
  head: (made) => `${JSON.stringify(headOf(made)).slice(0, -1)},"events":[`,
  event: (item, index) => `${index === 0 ? '\n' : ',\n'}${JSON.stringify(item)}`,
  tail: '\n]}\n',
};

const headOf = (made: AuditExport): object => ({
  export_id: made.id,
  created_at: made.createdAt.toISOString(),
  filters: filtersOf(made),
  total_events: made.totalEvents,
  truncated: made.truncated,
});
