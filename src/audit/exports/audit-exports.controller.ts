import { Body, Controller, Get, Header, Post, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { AuthenticatedCaller } from '../../common/caller';
import { notFound, rateLimited, validationFailed } from '../../common/common.errors';
import { PageQuery } from '../../common/pagination';
import { bodyErrors } from '../../infra/http/body-errors';
import { CallerParam } from '../../infra/http/caller.decorator';
import type { HttpReply } from '../../infra/http/http-request';
import { IdParam } from '../../infra/http/id-param.decorator';
import { Operation } from '../../infra/http/operation.decorator';
import { exportFailed } from '../audit.errors';
import {
  AuditExportFile,
  AuditExportItem,
  AuditExportList,
  AuditExportProgress,
  CreateAuditExportBody,
} from './audit-exports.dto';
import { CreateExport } from './create-export.service';
import { ReadExport } from './read-export.service';

const RETRY_AFTER_SECONDS = '2';

@ApiTags('Audit')
@Controller('v1/audit')
export class AuditExportsController {
  constructor(
    private readonly create_: CreateExport,
    private readonly read: ReadExport,
  ) {}

  @Post('export')
  @Header('Cache-Control', 'no-store')
  @Operation({
    summary: 'Export your events to a file',
    description:
      'The newest 10,000 of your own events that fit the filters; `truncated` says that there are more. Most files are ' +
      '`ready` with the reply; others are `preparing`, and `GET` on `download_url` says how far they are. The file is ' +
      'encrypted where it is kept, and deleted after 24 hours, or with the account. It takes a session. Recorded as ' +
      '`audit.exported`.',
    status: 201,
    reply: AuditExportItem,
    errors: [...bodyErrors, rateLimited],
  })
  async create(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() body: CreateAuditExportBody,
  ): Promise<AuditExportItem> {
    return this.create_.run(caller, body);
  }

  @Get('exports')
  @Header('Cache-Control', 'no-store')
  @Operation({
    summary: 'Your exports',
    description: 'Newest first, those of the last 24 hours.',
    reply: AuditExportList,
    errors: [validationFailed],
  })
  async list(@CallerParam() caller: AuthenticatedCaller, @Query() page: PageQuery): Promise<AuditExportList> {
    return this.read.list(caller, page);
  }

  @Get('export/:export_id')
  @Header('Cache-Control', 'no-store')
  @ApiResponse({
    status: 202,
    description: 'It is being written',
    headers: { 'Retry-After': { description: 'Seconds to wait', schema: { type: 'string' } } },
    type: AuditExportProgress,
  })
  @Operation({
    summary: 'Download an export',
    description:
      'Yours alone, for 24 hours. CSV as RFC 4180 has it, in UTF-8 without a byte order mark, with a line of names; ' +
      '`data` and `metadata` are JSON texts, and an apostrophe stands before a cell that would begin a formula.',
    reply: AuditExportFile,
    replyContent: {
      'application/json': { schema: { $ref: getSchemaPath(AuditExportFile) } },
      'text/csv': { schema: { type: 'string' } },
    },
    replyDescription:
      'The file. Every part of it was verified before the reply began; a reply that breaks off is not whole',
    replyHeaders: { 'Content-Disposition': 'attachment, with a name' },
    errors: [notFound, exportFailed],
  })
  async download(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('export_id') exportId: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<StreamableFile | AuditExportProgress> {
    const found = await this.read.open(caller, exportId);
    if (!('content' in found)) {
      void reply.status(202).header('Retry-After', RETRY_AFTER_SECONDS);
      return found;
    }
    return new StreamableFile(found.content, {
      type: found.contentType,
      disposition: `attachment; filename="${found.name}"`,
      length: found.bytes,
    });
  }
}
