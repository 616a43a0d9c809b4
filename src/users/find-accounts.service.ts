import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { requirePermission } from '../authz/require-permission';
import { IdentifiedCaller } from '../common/caller';
import { validationFailed } from '../common/common.errors';
import { AccountItem, AccountList, AccountsQuery } from './accounts.dto';
import { accountSearch, COUNTED } from './account-search';

type Row = Omit<AccountItem, 'created_at' | 'updated_at' | 'last_login_at'> & {
  created_at: Date;
  updated_at: Date;
  last_login_at: Date | null;
};

/**
 * The best plan depends on what is asked: a prefix of one letter wants another index than a whole address. And there is
 * an index for everything that can be asked: reading a whole table, to pick from it or to join it, is never the answer.
 */
export const PLANNING = `
  SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
         set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`;

/** Finds accounts for administrators, however many there are. */
@Injectable()
export class FindAccounts {
  constructor(private readonly db: EntityManager) {}

  /** @throws permission_denied, validation_failed */
  async run(caller: IdentifiedCaller, query: AccountsQuery): Promise<AccountList> {
    requirePermission(caller, 'user:read');
    const { limit, offset, after } = query;
    if (after !== undefined && offset > 0) {
      throw validationFailed({
        fields: [{ field: 'offset', message: 'offset and after exclude each other' }],
      });
    }
    const { page, size } = accountSearch(query);
    const { rows, count } = await this.db.transaction(async (tx) => {
      await tx.query(PLANNING);
      const rows = await tx.query<Row[]>(page.sql, page.values);
      const [{ count }] = await tx.query<[{ count: number }]>(size.sql, size.values);
      return { rows, count };
    });
    return {
      items: rows.slice(0, limit).map(item),
      total: Math.min(count, COUNTED),
      total_is_exact: count <= COUNTED,
      limit,
      offset,
      has_more: rows.length > limit,
    };
  }
}

const item = ({ created_at, updated_at, last_login_at, ...row }: Row): AccountItem => ({
  ...row,
  created_at: created_at.toISOString(),
  updated_at: updated_at.toISOString(),
  last_login_at: last_login_at?.toISOString() ?? null,
});
