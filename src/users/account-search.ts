import { AccountsQuery } from './accounts.dto';

/** More is not counted: nobody reads on so far, and each row would cost. */
export const COUNTED = 10_000;

export interface Statement {
  sql: string;
  values: unknown[];
}

/**
 * The statements of a search: its page (one row more than asked for tells whether there is another) and its size.
 * Every filter has an index that serves it in the order of the list, see migration 0008: nothing reads the whole table.
 */
export function accountSearch(query: AccountsQuery): { page: Statement; size: Statement } {
  const all = matching(query);
  const shown = matching(query, query.after);
  const { length } = shown.values;
  return {
    page: {
      sql: `
        SELECT id AS user_id, kind, email, email_verified_at IS NOT NULL AS email_verified, name, status, mfa_enabled,
               ARRAY(SELECT role FROM user_roles WHERE user_id = id ORDER BY role) AS roles,
               created_at, updated_at, last_login_at
        FROM (SELECT users.* ${shown.sql} ORDER BY users.id DESC LIMIT $${length + 1} OFFSET $${length + 2}) AS page
        ORDER BY id DESC`,
      values: [...shown.values, query.limit + 1, query.offset],
    },
    size: {
      sql: `SELECT count(*)::int AS count FROM (SELECT ${all.sql} LIMIT ${COUNTED + 1}) AS counted`,
      values: all.values,
    },
  };
}

function matching({ email, status, role }: AccountsQuery, after?: string): Statement {
  const values: unknown[] = [];
  const place = (value: unknown): string => `$${values.push(value)}`;
  const from =
    role === undefined ? 'users' : `user_roles JOIN users ON users.id = user_id AND role = ${place(role)}`;
  const conditions = ['users.deleted_at IS NULL'];
  if (email !== undefined) conditions.push(`users.email LIKE ${place(`${literally(email)}%`)}`);
  if (status !== undefined) conditions.push(`users.status = ${place(status)}`);
  if (after !== undefined) {
    const bound = place(after);
    conditions.push(`users.id < ${bound}`);
    // PostgreSQL carries equality over to the joined table, but no other comparison.
    if (role !== undefined) conditions.push(`user_id < ${bound}`);
  }
  return { sql: `FROM ${from} WHERE ${conditions.join(' AND ')}`, values };
}

/** `%` and `_` are characters of addresses like any other. */
const literally = (text: string): string => text.replace(/[\\%_]/g, '\\$&');
