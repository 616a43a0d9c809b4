import { AccountsQuery } from './accounts.dto';

/** More is not counted: nobody reads on so far, and each row would cost. */
export const COUNTED = 10_000;

export interface Statement {
  sql: string;
  values: unknown[];
}

/** Ids are ordered by time. */
const NEWEST_FIRST = 'users.id DESC';
/** Byte by byte, whatever the collation of the database is. */
const BY_ADDRESS = 'users.email USING ~<~';

/**
 * The indexes of migrations 0007 and 0008, by the order in which each of them, and no other, holds accounts. Asked for
 * the newest alone, PostgreSQL would rather walk through everybody until it has met enough: through the whole table
 * where the ones sought are old.
 */
const ORDERS = {
  email: BY_ADDRESS,
  status: 'users.status DESC, users.id DESC',
  role: 'user_roles.role DESC, user_roles.user_id DESC',
  none: 'users.deleted_at, users.id DESC',
};

/**
 * The statements of a search: its page (one row more than asked for tells whether there is another) and its size. Each
 * filter has an index that holds side by side what it finds, in the order of the list: newest first or, where a
 * beginning of addresses is asked for, by address. A filter alone reads what it shows and no more, however old that is;
 * several read at worst all that the leading one finds.
 */
export function accountSearch(query: AccountsQuery): { page: Statement; size: Statement } {
  const all = matching(query);
  const shown = matching(query, query.after);
  const { length } = shown.values;
  const order = query.email === undefined ? NEWEST_FIRST : BY_ADDRESS;
  return {
    page: {
      sql: `
        SELECT id AS user_id, kind, email, email_verified_at IS NOT NULL AS email_verified, name, status, mfa_enabled,
               ARRAY(SELECT role FROM user_roles WHERE user_id = id ORDER BY role) AS roles,
               created_at, updated_at, last_login_at
        FROM (
          SELECT users.* ${shown.sql} ORDER BY ${ORDERS[leader(query)]} LIMIT $${length + 1} OFFSET $${length + 2}
        ) AS users
        ORDER BY ${order}`,
      values: [...shown.values, query.limit + 1, query.offset],
    },
    size: {
      sql: `SELECT count(*)::int AS count FROM (SELECT ${all.sql} LIMIT ${COUNTED + 1}) AS counted`,
      values: all.values,
    },
  };
}

/** The filter that finds least, as a rule: nearly everybody is active. */
function leader({ email, status, role }: AccountsQuery): keyof typeof ORDERS {
  if (email !== undefined) return 'email';
  if (status !== undefined && (status !== 'active' || role === undefined)) return 'status';
  return role === undefined ? 'none' : 'role';
}

function matching(query: AccountsQuery, after?: string): Statement {
  const { email, status, role } = query;
  const lead = leader(query);
  const values: unknown[] = [];
  const place = (value: unknown): string => `$${values.push(value)}`;
  const conditions = ['users.deleted_at IS NULL'];

  /** One value as a range: PostgreSQL takes a column that equals something out of the order. */
  const along = (column: string, id: string, value: string): string => {
    const at = place(value);
    if (after === undefined) return `${column} BETWEEN ${at} AND ${at}`;
    return `${column} >= ${at} AND (${column}, ${id}) < (${at}, ${place(after)})`;
  };

  if (email !== undefined) conditions.push(`users.email LIKE ${place(`${literally(email)}%`)}`);
  if (status !== undefined)
    conditions.push(
      lead === 'status' ? along('users.status', 'users.id', status) : `users.status = ${place(status)}`,
    );
  if (role !== undefined)
    conditions.push(
      lead === 'role'
        ? along('user_roles.role', 'user_roles.user_id', role)
        : `user_roles.role = ${place(role)}`,
    );
  if (after !== undefined && lead === 'email') {
    // Also where the account was deleted meanwhile: its address stays until the purge.
    conditions.push(`users.email ~>~ (SELECT email FROM users WHERE id = ${place(after)})`);
  }
  if (after !== undefined && lead === 'none') conditions.push(`users.id < ${place(after)}`);
  const from = role === undefined ? 'users' : 'users JOIN user_roles ON user_id = users.id';
  return { sql: `FROM ${from} WHERE ${conditions.join(' AND ')}`, values };
}

/** `%` and `_` are characters of addresses like any other. */
const literally = (text: string): string => text.replace(/[\\%_]/g, '\\$&');
