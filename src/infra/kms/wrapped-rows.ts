import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { WrappedColumn } from './wrapped-columns';
import { versionSql } from './wrapped-secret';

/** So many rows are looked at by one statement, which keeps it far within its deadline however long the table is. */
const SLICE = 10_000;
/** So many wrapped secrets are in memory at once. */
const PAGE = 500;

export interface WrappedRow {
  id: string;
  wrapped: Buffer | null;
}

/** The rows of wrapped columns, by the version of the master key that they are under. */
@Injectable()
export class WrappedRows {
  constructor(private readonly db: EntityManager) {}

  /** How many are under each version; the version is empty where it cannot be read. */
  async countByVersion({ table, id, column, needed = 'true' }: WrappedColumn): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (let last: string | null = null; ;) {
      const slice: { version: string; rows: number; last: string }[] = await this.db.query(
        `WITH slice AS MATERIALIZED (
           SELECT ${id} AS id, ${versionSql(column)} AS version FROM ${table}
           WHERE ${column} IS NOT NULL AND ${needed} ${last === null ? '' : `AND ${id} > $2`} ORDER BY ${id} LIMIT $1)
         SELECT version, count(*)::int AS rows, (SELECT id::text FROM slice ORDER BY id DESC LIMIT 1) AS last
         FROM slice GROUP BY version`,
        last === null ? [SLICE] : [SLICE, last],
      );
      for (const { version, rows } of slice) counts.set(version, (counts.get(version) ?? 0) + rows);
      if (slice.reduce((sum, { rows }) => sum + rows, 0) < SLICE) return counts;
      last = slice[0]!.last;
    }
  }

  /** The next rows by id; of those under this version already only the id. @param after the last id of the page before */
  async page(
    { table, id, column, needed = 'true' }: WrappedColumn,
    version: string,
    after: string | null,
  ): Promise<WrappedRow[]> {
    return this.db.query<WrappedRow[]>(
      `SELECT ${id}::text AS id, CASE WHEN ${versionSql(column)} <> $1 THEN ${column} END AS wrapped FROM ${table}
       WHERE ${column} IS NOT NULL AND ${needed} ${after === null ? '' : `AND ${id} > $2`} ORDER BY ${id} LIMIT ${PAGE}`,
      after === null ? [version] : [version, after],
    );
  }

  /** @returns false where the row is gone, or holds another secret by now. */
  async replace(
    { table, id, column }: WrappedColumn,
    row: { id: string; wrapped: Buffer },
    fresh: Buffer,
  ): Promise<boolean> {
    const [, count] = await this.db.query<[unknown[], number]>(
      `UPDATE ${table} SET ${column} = $3 WHERE ${id} = $1 AND ${column} = $2`,
      [row.id, row.wrapped, fresh],
    );
    return count === 1;
  }
}
