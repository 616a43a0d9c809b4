import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { IdentifiedCaller } from '../common/caller';
import { notFound } from '../common/common.errors';
import { escalationRefused } from './authz.errors';
import { Principals } from './principals.service';

/** What a user will hold until then, as far as is known; until a null, for ever. */
const HELD_UNTIL = `
  WITH RECURSIVE held (role) AS (
    SELECT role FROM user_roles WHERE user_id = $1
    UNION
    SELECT roles.parent FROM held JOIN roles ON roles.name = held.role WHERE roles.parent IS NOT NULL
  )
  SELECT permission FROM role_permissions JOIN held USING (role)
  UNION
  SELECT permission FROM user_permissions
  WHERE user_id = $1 AND (expires_at IS NULL OR expires_at >= $2::timestamptz)`;

/**
 * Keeps those who may change others from becoming more than they are: nobody gives what they lack, and nobody
 * touches the account of somebody who may do more. It reads what the door found for this call in `caller.permissions`.
 */
@Injectable()
export class Authority {
  constructor(private readonly principals: Principals) {}

  /**
   * Passes where the caller holds everything that the user does. A suspended account counts with all it would hold,
   * or suspending it would open it to everybody below.
   * @param tx of the change: the user's row is locked in it first, so that what they hold cannot grow meanwhile.
   * @throws not_found, escalation_refused
   */
  async requireOver(caller: IdentifiedCaller, userId: string, tx?: EntityManager): Promise<void> {
    await tx?.query(`SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE`, [userId]);
    const user = await this.principals.load(userId, tx);
    if (!user) throw notFound();
    this.requireAll(caller, user.permissions);
  }

  /**
   * As `requireAll`, for what is given until some moment (null: for ever): what somebody has for a day they don't give
   * for a year, or a friend would give it back to them.
   * @throws escalation_refused
   */
  async requireUntil(
    tx: EntityManager,
    caller: IdentifiedCaller,
    permissions: readonly string[],
    until: Date | null,
  ): Promise<void> {
    this.requireAll(caller, permissions);
    const rows = await tx.query<{ permission: string }[]>(HELD_UNTIL, [caller.userId, until]);
    const held = new Set(rows.map(({ permission }) => permission));
    if (!permissions.every((permission) => held.has(permission))) throw escalationRefused();
  }

  /** @throws escalation_refused */
  requireAll(caller: IdentifiedCaller, permissions: readonly string[]): void {
    if (!permissions.every((permission) => caller.permissions.has(permission))) throw escalationRefused();
  }
}
