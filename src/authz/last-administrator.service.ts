import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { lastAdministrator } from './authz.errors';

/** The role of administrators, and every role that includes it. */
const ADMINISTRATORS = `
  WITH RECURSIVE administrators (role) AS (
    SELECT 'admin'
    UNION
    SELECT roles.name FROM administrators JOIN roles ON roles.parent = administrators.role
  )`;

/** Sees to it that somebody can always administer the platform. */
@Injectable()
export class LastAdministrator {
  /**
   * Call it in the transaction that takes the role or the working of the account away: after the user's row is locked,
   * before the role is gone and before anything is recorded. Of two such transactions the second waits here for the
   * end of the first, and then sees what it has left.
   * @throws last_administrator where the user is an administrator and no other one remains that is active; a service
   * is none, for nobody can sign in as one.
   */
  async protect(tx: EntityManager, userId: string): Promise<void> {
    const held = await tx.query<unknown[]>(
      `${ADMINISTRATORS} SELECT FROM user_roles JOIN administrators USING (role) WHERE user_id = $1 LIMIT 1`,
      [userId],
    );
    if (held.length === 0) return;
    await tx.query(`SELECT FROM roles WHERE name = 'admin' FOR NO KEY UPDATE`);
    const others = await tx.query<unknown[]>(
      `${ADMINISTRATORS}
       SELECT FROM users JOIN user_roles ON user_id = id JOIN administrators USING (role)
       WHERE id <> $1 AND kind = 'person' AND status = 'active' AND deleted_at IS NULL LIMIT 1`,
      [userId],
    );
    if (others.length === 0) throw lastAdministrator();
  }
}
