import { Inject, Injectable } from '@nestjs/common';
import { Readable } from 'node:stream';
import { AuthenticatedCaller } from '../../common/caller';
import { notFound } from '../../common/common.errors';
import { PageQuery, pageOf } from '../../common/pagination';
import { CONFIG, Config } from '../../config/config';
import { IntegrityError } from '../../infra/kms/integrity-error';
import { exportFailed } from '../audit.errors';
import type { AuditExport } from './audit-export';
import { AuditExportList, AuditExportProgress } from './audit-exports.dto';
import { ExportDamage } from './export-damage.service';
import { exportFormats } from './export-format';
import { exportItem } from './export-item';
import { ExportKeys } from './export-keys.service';
import { openPart } from './export-parts';
import { ExportRows } from './export-rows.service';

/** A file that was found whole; whoever takes it has to read it to its end, or destroy it. */
export interface ExportFile {
  name: string;
  contentType: string;
  bytes: number;
  content: Readable;
}

/** Shows people their exports, and gives them the files. */
@Injectable()
export class ReadExport {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly rows: ExportRows,
    private readonly keys: ExportKeys,
    private readonly damage: ExportDamage,
  ) {}

  async list(caller: AuthenticatedCaller, page: PageQuery): Promise<AuditExportList> {
    const { exports, total } = await this.rows.list(caller.userId, page);
    return pageOf(
      exports.map((made) => exportItem(made, this.config.PUBLIC_URL)),
      total,
      page,
    );
  }

  /**
   * The file, once every part of it has been opened; how far it is, while it is being written.
   * @throws not_found, also for somebody else's, and after 24 hours; export_failed, also for one that was damaged since,
   * which is recorded as `secret.integrity_failed`; unavailable
   */
  async open(caller: AuthenticatedCaller, exportId: string): Promise<ExportFile | AuditExportProgress> {
    const made = await this.rows.find(caller.userId, exportId);
    if (!made) throw notFound();
    if (made.status === 'failed') throw exportFailed();
    if (made.status === 'preparing') {
      const { writtenEvents, totalEvents } = made;
      return {
        export_id: made.id,
        status: 'preparing',
        written_events: writtenEvents,
        total_events: totalEvents,
      };
    }
    return this.file(made).catch((error: unknown) => this.refuse(made, error));
  }

  private async file(made: AuditExport): Promise<ExportFile> {
    const key = await this.keys.open(made);
    try {
      const bytes = await this.verify(made, key);
      const content = Readable.from(this.parts(made, key), { objectMode: false, highWaterMark: 1 });
      content.once('close', () => key.fill(0));
      content.once('error', (error) => void this.refuse(made, error).catch(() => {}));
      const day = made.createdAt.toISOString().slice(0, 10);
      return {
        name: `audit-events-${day}-${made.id}.${made.format}`,
        contentType: exportFormats[made.format].contentType,
        bytes,
        content,
      };
    } catch (error) {
      key.fill(0);
      throw error;
    }
  }

  /** @returns how much text it is. @throws IntegrityError */
  private async verify(made: AuditExport, key: Buffer): Promise<number> {
    let bytes = 0;
    for await (const text of this.parts(made, key)) {
      bytes += text.length;
      text.fill(0);
    }
    return bytes;
  }

  /** One after the other, as they are asked for. @throws IntegrityError */
  private async *parts(made: AuditExport, key: Buffer): AsyncGenerator<Buffer> {
    // A file has a last part, which says that it is.
    for (let part = 1; part <= Math.max(made.parts, 1); part++) {
      const sealed = await this.rows.part(made.id, part);
      yield openPart(key, made, { part, isLast: part === made.parts }, sealed);
    }
  }

  /** @throws export_failed for a damage, not_found where it was deleted meanwhile, or the error itself */
  private async refuse(made: AuditExport, error: unknown): Promise<never> {
    if (!(error instanceof IntegrityError)) throw error;
    throw (await this.damage.found(made)) ? exportFailed() : notFound();
  }
}
