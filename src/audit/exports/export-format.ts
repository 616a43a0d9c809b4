import type { AuditEventItem } from '../reading/audit-event.dto';
import type { AuditExport, ExportFormatName } from './audit-export';
import { csvFormat } from './csv-format';
import { jsonFormat } from './json-format';

/** How an export is written, piece by piece. What it answers depends on nothing but what it is asked. */
export interface ExportFormat {
  contentType: string;
  /** What the file begins with. */
  head: (made: AuditExport) => string;
  /** @param index of the event in the file, from 0. */
  event: (item: AuditEventItem, index: number) => string;
  /** What it ends with. */
  tail: string;
}

export const exportFormats: Record<ExportFormatName, ExportFormat> = { json: jsonFormat, csv: csvFormat };
