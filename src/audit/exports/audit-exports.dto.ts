import { ApiProperty } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { PageReply } from '../../common/pagination';
import type { EventType } from '../../infra/events/event-types';
import { AuditEventFilter, AuditEventItem } from '../reading/audit-event.dto';
import type { ExportFormatName, ExportStatus } from './audit-export';

const ID = { example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', format: 'uuid' };
const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z' };
const FORMATS: ExportFormatName[] = ['json', 'csv'];
const STATUSES: ExportStatus[] = ['preparing', 'ready', 'failed'];

export class CreateAuditExportBody extends AuditEventFilter {
  @ApiProperty({ enum: FORMATS, example: 'csv' })
  @IsIn(FORMATS)
  format!: ExportFormatName;
}

export class AuditExportFilters {
  @ApiProperty({ type: String, nullable: true, example: null })
  event_type!: EventType | null;

  @ApiProperty({ ...TIME, type: String, nullable: true, example: null })
  start_date!: string | null;

  @ApiProperty({ ...TIME, type: String, nullable: true })
  end_date!: string | null;
}

class ExportProgress {
  @ApiProperty(ID)
  export_id!: string;

  @ApiProperty({ enum: STATUSES, example: 'ready' })
  status!: ExportStatus;

  @ApiProperty({ example: 1200, description: 'How many of them are in the file so far' })
  written_events!: number;

  @ApiProperty({ example: 1200, maximum: 10_000, description: 'How many the file holds when it is ready' })
  total_events!: number;
}

export class AuditExportProgress extends ExportProgress {}

export class AuditExportItem extends ExportProgress {
  @ApiProperty({ enum: FORMATS, example: 'csv' })
  format!: ExportFormatName;

  @ApiProperty({ example: false, description: 'There are more events than 10,000: these are the newest' })
  truncated!: boolean;

  @ApiProperty({ type: AuditExportFilters })
  filters!: AuditExportFilters;

  @ApiProperty(TIME)
  created_at!: string;

  @ApiProperty({ ...TIME, example: '2026-11-23T09:30:00.000Z', description: 'Then it is deleted' })
  expires_at!: string;

  @ApiProperty({
    example: 'https://id.example.com/v1/audit/export/0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
    format: 'uri',
    description: 'It takes your access token, as every call',
  })
  download_url!: string;
}

export class AuditExportList extends PageReply {
  @ApiProperty({ type: [AuditExportItem] })
  items!: AuditExportItem[];
}

/** The file itself, where it was asked for as JSON. */
export class AuditExportFile {
  @ApiProperty(ID)
  export_id!: string;

  @ApiProperty(TIME)
  created_at!: string;

  @ApiProperty({ type: AuditExportFilters })
  filters!: AuditExportFilters;

  @ApiProperty({ example: 1 })
  total_events!: number;

  @ApiProperty({ example: false })
  truncated!: boolean;

  @ApiProperty({ type: [AuditEventItem], description: 'Newest first' })
  events!: AuditEventItem[];
}
