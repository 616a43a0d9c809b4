import { EntityManager } from 'typeorm';
import { notAuthenticated } from '../common/common.errors';
import { emailNotVerified } from '../identities/identities.errors';

interface Owner {
  status: string;
  verified: boolean;
}

/**
 * Locks the owner's row, before any row of an account: who deletes the owner waits, or has been first.
 * @throws not_authenticated for somebody who may not sign in any more.
 */
export async function lockOwner(tx: EntityManager, userId: string): Promise<void> {
  await read(tx, userId, 'FOR NO KEY UPDATE');
}

/**
 * Asked of the database: what a token says may be a quarter of an hour old.
 * @throws email_not_verified, not_authenticated
 */
export async function requireVerified(db: EntityManager, userId: string): Promise<void> {
  const { verified } = await read(db, userId, '');
  if (!verified) throw emailNotVerified();
}

async function read(db: EntityManager, userId: string, lock: '' | 'FOR NO KEY UPDATE'): Promise<Owner> {
  const [owner] = await db.query<Owner[]>(
    `SELECT status, status = 'active' AND email_verified_at IS NOT NULL AS verified FROM users
     WHERE id = $1 AND deleted_at IS NULL AND status IN ('active', 'pending_verification') ${lock}`,
    [userId],
  );
  if (!owner) throw notAuthenticated();
  return owner;
}
