/**
 * Exports of one's own events: made, written, downloaded, deleted after a day. It refuses to keep one in the clear, to
 * show it to anybody else, and to hand out a file that is not whole.
 */
import { Module } from '@nestjs/common';
import { AuditExportsController } from './audit-exports.controller';
import { CreateExport } from './create-export.service';
import { ExpiredExports } from './expired-exports.service';
import { ExportDamage } from './export-damage.service';
import { ExportEvents } from './export-events.service';
import { ExportKeys } from './export-keys.service';
import { ExportRecord } from './export-record';
import { ExportRows } from './export-rows.service';
import { ExportWork } from './export-work.service';
import { ExportWriter } from './export-writer.service';
import { ForgetExports } from './forget-exports.service';
import { ReadExport } from './read-export.service';

@Module({
  controllers: [AuditExportsController],
  providers: [
    CreateExport,
    ReadExport,
    ForgetExports,
    ExpiredExports,
    ExportRecord,
    ExportRows,
    ExportEvents,
    ExportKeys,
    ExportWriter,
    ExportDamage,
    ExportWork,
  ],
  exports: [ForgetExports],
})
export class AuditExportsModule {}
