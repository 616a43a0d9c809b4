import { Injectable } from '@nestjs/common';
import { KmsEvents } from '../../infra/kms/kms-events';
import type { AuditExport } from './audit-export';
import { ExportRows } from './export-rows.service';

/** Exports that are not what was stored: everybody hears of it, and they are given up. */
@Injectable()
export class ExportDamage {
  constructor(
    private readonly rows: ExportRows,
    private readonly kmsEvents: KmsEvents,
  ) {}

  /** @returns false for one that was deleted while it was read: its parts are missing because they should. */
  async found({ id, userId }: AuditExport): Promise<boolean> {
    const made = await this.rows.find(userId, id);
    if (!made) return false;
    if (made.status === 'failed') return true;
    // In this order: whoever is killed in between is followed by somebody who finds the damage too.
    await this.kmsEvents.damaged('audit_exports', id);
    await this.rows.fail(id);
    return true;
  }
}
