import { EntityManager } from 'typeorm';

/**
 * Locks an account's row, before its members and its credentials are read or changed, and after the rows of users.
 * @returns false where there is no such account, or it is unlinked.
 */
export async function lockAccount(tx: EntityManager, accountId: string): Promise<boolean> {
  const rows = await tx.query<unknown[]>(
    `SELECT FROM trading_accounts WHERE id = $1 AND status <> 'unlinked' FOR UPDATE`,
    [accountId],
  );
  return rows.length > 0;
}
