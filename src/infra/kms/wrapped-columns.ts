import { Injectable } from '@nestjs/common';

/** Where wrapped secrets rest, one a row; null where there is none. */
export interface WrappedColumn {
  table: string;
  /** Its primary key. */
  id: string;
  column: string;
  /** SQL: which rows have a secret that anybody still needs. All of them where it is left out. */
  needed?: string;
  /** What a row's secret is wrapped for. */
  context(id: string): string;
}

const NAME = /^[a-z][a-z_]*$/;

/** Every column under the master key. Each feature names its own, so that a rotation forgets none. */
@Injectable()
export class WrappedColumns {
  private readonly columns: WrappedColumn[] = [];

  /** @throws Error when a name could be more than a name in SQL, or the column is there already. */
  register(column: WrappedColumn): void {
    for (const name of [column.table, column.id, column.column]) {
      if (!NAME.test(name)) throw new Error(`${name} is no name of a table or a column`);
    }
    if (this.columns.some((other) => other.table === column.table && other.column === column.column))
      throw new Error(`${column.table}.${column.column} is registered twice`);
    this.columns.push(column);
  }

  all(): readonly WrappedColumn[] {
    return this.columns;
  }
}
