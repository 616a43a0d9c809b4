import { EntityManager } from 'typeorm';
import { AccountPermission } from '../trading-account';

export interface Membership {
  id: string;
  userId: string;
  permissions: AccountPermission[];
  /** The membership of whoever gave it; null: the owner did. */
  grantedUnder: string | null;
  /** Null: until it is removed. */
  expiresAt: Date | null;
}

/** The memberships of an account, whose row is locked, that have not expired at this moment. */
export const livingMembers = (tx: EntityManager, accountId: string, at: Date): Promise<Membership[]> =>
  tx.query<Membership[]>(
    `SELECT id, user_id AS "userId", permissions, granted_under AS "grantedUnder", expires_at AS "expiresAt"
     FROM trading_account_members WHERE trading_account_id = $1 AND (expires_at IS NULL OR expires_at > $2)`,
    [accountId, at],
  );

/** Whether a membership was given under another one, at any distance. */
export function isUnder(members: readonly Membership[], member: Membership, aboveId: string): boolean {
  const byId = new Map(members.map((one) => [one.id, one]));
  for (let under = member.grantedUnder; under !== null; under = byId.get(under)?.grantedUnder ?? null)
    if (under === aboveId) return true;
  return false;
}
