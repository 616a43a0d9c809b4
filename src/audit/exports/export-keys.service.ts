import { Inject, Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { DATA_KEY_BYTES } from '../../infra/kms/envelope';
import { IntegrityError } from '../../infra/kms/integrity-error';
import { KMS, Kms } from '../../infra/kms/kms';
import { WrappedColumns } from '../../infra/kms/wrapped-columns';
import type { AuditExport } from './audit-export';

/** A key in the clear, which whoever has it overwrites, and as it rests. */
export interface ExportKey {
  plain: Buffer;
  wrapped: Buffer;
}

/** The data keys of exports, one each, under the master key. It asks the KMS, so nobody calls it inside a transaction. */
@Injectable()
export class ExportKeys {
  constructor(
    @Inject(KMS) private readonly kms: Kms,
    columns: WrappedColumns,
  ) {
    columns.register({
      table: 'audit_exports',
      id: 'id',
      column: 'wrapped_data_key',
      context: exportKeyContext,
    });
  }

  /** @throws unavailable */
  async create(exportId: string): Promise<ExportKey> {
    const plain = randomBytes(DATA_KEY_BYTES);
    try {
      return { plain, wrapped: await this.kms.wrap(plain, exportKeyContext(exportId)) };
    } catch (error) {
      plain.fill(0);
      throw error;
    }
  }

  /** In memory that is the caller's to overwrite. @throws unavailable, IntegrityError */
  async open({ id, wrappedDataKey }: AuditExport): Promise<Buffer> {
    const plain = await this.kms.unwrap(wrappedDataKey, exportKeyContext(id));
    if (plain.length === DATA_KEY_BYTES) return plain;
    plain.fill(0);
    throw new IntegrityError('the data key of the export');
  }
}

const exportKeyContext = (exportId: string): string => `audit-export:${exportId}`;
