import { Inject, Injectable } from '@nestjs/common';
import { operatorMessage } from '../../common/operator-message';
import { IntegrityError } from './integrity-error';
import { KMS, Kms } from './kms';
import { KmsEvents } from './kms-events';
import { rewrappedSecrets } from './kms-metrics';
import { isMissingVersion } from './missing-version';
import { WrappedColumn, WrappedColumns } from './wrapped-columns';
import { WrappedRow, WrappedRows } from './wrapped-rows';
import { unpackWrapped } from './wrapped-secret';

/** Enough to hide the way to a KMS, few enough for a pool of connections that others use too. */
const AT_ONCE = 4;
/** Another pass finds what an instance has stored that had wrapped it before the rotation. */
const PASSES = 3;

export interface VersionCount {
  table: string;
  /** Empty where it cannot be read. */
  version: string;
  rows: number;
}

export interface RewrapProgress {
  table: string;
  done: number;
  total: number;
}

export interface RewrapResult {
  version: string;
  rewrapped: Map<string, number>;
  /** What is not what was wrapped, `table id`. */
  damaged: Set<string>;
  /** What is under a version whose key is not here, alike. */
  noKey: Set<string>;
  /** Rows that are not under the version, all of these among them. */
  left: number;
}

/**
 * Puts every wrapped secret under the present version of the master key. Each row is replaced by itself, and only if it
 * still is what was read: it may be killed at any time and begun again, run twice at once, and beside any writer.
 */
@Injectable()
export class Rewrap {
  /** Versions whose rotation is on record for certain. */
  private readonly told = new Set<string>();

  constructor(
    @Inject(KMS) private readonly kms: Kms,
    private readonly columns: WrappedColumns,
    private readonly rows: WrappedRows,
    private readonly events: KmsEvents,
  ) {}

  /** How many secrets are under which version, table by table. */
  async counts(): Promise<VersionCount[]> {
    const counts: VersionCount[] = [];
    for (const column of this.columns.all()) {
      const byVersion = await this.rows.countByVersion(column);
      for (const [version, rows] of byVersion) counts.push({ table: column.table, version, rows });
    }
    return counts;
  }

  /**
   * @param signal ends it after the rows in hand.
   * @param onProgress is told after each row.
   * @throws Error when the provider or PostgreSQL cannot answer: what was done stays done.
   */
  async run({
    signal,
    onProgress,
  }: {
    signal?: AbortSignal;
    onProgress?: (progress: RewrapProgress) => void;
  } = {}): Promise<RewrapResult> {
    const result: RewrapResult = {
      version: '',
      rewrapped: new Map(),
      damaged: new Set(),
      noKey: new Set(),
      left: 0,
    };
    for (let pass = 0; pass < PASSES; pass++) {
      const waiting = await this.waiting(result);
      const isDone = result.left <= result.damaged.size + result.noKey.size;
      if (signal?.aborted || result.left === 0 || (pass > 0 && isDone)) return result;
      for (const column of this.columns.all()) {
        const progress = { table: column.table, done: 0, total: waiting.get(column.table) ?? 0 };
        const onRow = (): void => {
          progress.done++;
          onProgress?.(progress);
        };
        if (progress.total > 0) await this.column(column, result, signal, onRow);
      }
    }
    await this.waiting(result);
    return result;
  }

  /** Notes in the result what is left now. @returns it by table. */
  private async waiting(result: RewrapResult): Promise<Map<string, number>> {
    result.version = await this.currentVersion();
    const waiting = new Map<string, number>();
    for (const { table, version, rows } of await this.counts()) {
      if (version !== result.version) waiting.set(table, (waiting.get(table) ?? 0) + rows);
    }
    result.left = [...waiting.values()].reduce((sum, rows) => sum + rows, 0);
    return waiting;
  }

  private async column(
    column: WrappedColumn,
    result: RewrapResult,
    signal: AbortSignal | undefined,
    onRow: () => void,
  ): Promise<void> {
    for (let after: string | null = null; ;) {
      const page: WrappedRow[] = await this.rows.page(column, await this.currentVersion(), after);
      const rows = page.values();
      let failed = false;
      const work = async (): Promise<void> => {
        for (const { id, wrapped } of rows) {
          if (signal?.aborted || failed) return;
          if (!wrapped) continue;
          try {
            await this.row(column, { id, wrapped }, result);
          } catch (error) {
            failed = true;
            throw error;
          }
          onRow();
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      const last = page.at(-1);
      if (signal?.aborted || !last) return;
      after = last.id;
    }
  }

  private async row(
    column: WrappedColumn,
    row: { id: string; wrapped: Buffer },
    { rewrapped, damaged, noKey }: RewrapResult,
  ): Promise<void> {
    const fresh = await this.freshlyWrapped(row.wrapped, column.context(row.id));
    if (fresh === 'damaged') {
      damaged.add(`${column.table} ${row.id}`);
      rewrappedSecrets.inc({ result: 'damaged' });
      return this.events.damaged(column.table, row.id);
    }
    if (fresh === 'no_key') {
      noKey.add(`${column.table} ${row.id}`);
      return rewrappedSecrets.inc({ result: 'no_key' });
    }
    const { version } = unpackWrapped(fresh);
    // Of a version that was put in force elsewhere, of which this process has learned from this very row.
    if (version === unpackWrapped(row.wrapped).version) return;
    if (!this.told.has(version)) await this.events.rotated(version);
    this.told.add(version);
    const isReplaced = await this.rows.replace(column, row, fresh);
    rewrappedSecrets.inc({ result: isReplaced ? 'success' : 'overtaken' });
    if (isReplaced) rewrapped.set(column.table, (rewrapped.get(column.table) ?? 0) + 1);
  }

  private async freshlyWrapped(wrapped: Buffer, context: string): Promise<Buffer | 'damaged' | 'no_key'> {
    try {
      const secret = await this.kms.unwrap(wrapped, context);
      try {
        return await this.kms.wrap(secret, context);
      } finally {
        secret.fill(0);
      }
    } catch (error) {
      if (error instanceof IntegrityError) return 'damaged';
      if (isMissingVersion(error)) return 'no_key';
      throw this.stopped(error);
    }
  }

  private currentVersion(): Promise<string> {
    return this.kms.currentVersion().catch((error: unknown) => {
      throw this.stopped(error);
    });
  }

  private stopped(cause: unknown): Error {
    const problem = operatorMessage(cause);
    return new Error(`the KMS (${this.kms.provider}) cannot answer, what is done stays done: ${problem}`, {
      cause,
    });
  }
}
