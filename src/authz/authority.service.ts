import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { notFound, permissionDenied } from '../common/common.errors';
import { escalationRefused } from './authz.errors';
import { Principals } from './principals.service';
import { Roles } from './roles.service';
import { SIGN_UP_ROLE } from './sign-up-role';

/**
 * What a caller ($1) holds now ($2), and whether it lasts until then ($3; null: for ever) as far as is known. Nothing
 * where the account may not sign in any more, or the API key ($4) is over.
 */
const HELD = `
  WITH RECURSIVE held (role) AS (
    SELECT role FROM user_roles WHERE user_id = $1
    UNION
    SELECT roles.parent FROM held JOIN roles ON roles.name = held.role WHERE roles.parent IS NOT NULL
  ), holdings AS (
    SELECT permission, true AS lasts FROM role_permissions JOIN held USING (role)
    UNION ALL
    SELECT permission, expires_at IS NULL OR coalesce(expires_at >= $3::timestamptz, false) FROM user_permissions
    WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > $2)
  )
  SELECT permission, bool_or(lasts) AS lasts FROM holdings
  WHERE EXISTS (SELECT FROM users WHERE id = $1 AND status IN ('active', 'pending_verification') AND deleted_at IS NULL)
    AND ($4::uuid IS NULL OR EXISTS (SELECT FROM api_keys WHERE id = $4 AND user_id = $1 AND revoked_at IS NULL
                                       AND (expires_at IS NULL OR expires_at > $2)))
  GROUP BY permission`;

/**
 * Keeps those who may change others from becoming more than they are: nobody gives what they lack, and nobody
 * touches the account of somebody who may do more. It believes nothing of what the door found for the call: while
 * the call waited for a lock, its caller may have been suspended or demoted.
 */
@Injectable()
export class Authority {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly principals: Principals,
    private readonly roles: Roles,
  ) {}

  /**
   * Passes where the caller still holds the permission that let the call in, and all that the user holds. What everybody
   * has who signs up is left out, so that a role for support need not include it. A suspended account counts with all
   * it would hold, or suspending it would open it to everybody below.
   * @param tx of the change: the user's row is locked in it first, so that what they hold cannot grow meanwhile. Without
   * it the answer is a first one, for whoever asks again in the transaction.
   * @throws permission_denied, not_found, escalation_refused
   */
  async requireOver(caller: IdentifiedCaller, userId: string, tx?: EntityManager): Promise<void> {
    await tx?.query(`SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE`, [userId]);
    const db = tx ?? this.db;
    const held = await this.heldUntil(db, caller, this.clock.date());
    const user = await this.principals.load(userId, tx);
    if (!user) throw notFound();
    const everybodys = await this.roles.permissionsOf(db, [SIGN_UP_ROLE]);
    const more = user.permissions.filter((name) => !held.has(name) && !everybodys.includes(name));
    if (more.length > 0) throw escalationRefused();
  }

  /** Passes where the caller holds these, for what is taken from others. @throws permission_denied, escalation_refused */
  async requireNow(
    tx: EntityManager,
    caller: IdentifiedCaller,
    permissions: readonly string[],
  ): Promise<void> {
    requireAll(await this.heldUntil(tx, caller, this.clock.date()), permissions);
  }

  /**
   * Passes where the caller holds these until some moment (null: for ever): what somebody has for a day they don't give
   * for a year, or a friend would give it back to them. What is done with an API key outlives it no more.
   * @throws permission_denied, escalation_refused
   */
  async requireUntil(
    tx: EntityManager,
    caller: IdentifiedCaller,
    permissions: readonly string[],
    until: Date | null,
  ): Promise<void> {
    const { keyExpiresAt } = caller;
    if (keyExpiresAt !== undefined && (until === null || until > keyExpiresAt)) throw escalationRefused();
    requireAll(await this.heldUntil(tx, caller, until), permissions);
  }

  /** @throws permission_denied for a caller whom the door would not let in any more. */
  private async heldUntil(
    db: EntityManager,
    { userId, apiKeyId, keyPermissions, admittedWith }: IdentifiedCaller,
    until: Date | null,
  ): Promise<ReadonlySet<string>> {
    const all = await db.query<{ permission: string; lasts: boolean }[]>(HELD, [
      userId,
      this.clock.date(),
      until,
      apiKeyId ?? null,
    ]);
    const usable = all.filter(({ permission }) => keyPermissions?.has(permission) ?? true);
    if (!usable.some(({ permission }) => permission === admittedWith)) throw permissionDenied();
    return new Set(usable.filter(({ lasts }) => lasts).map(({ permission }) => permission));
  }
}

function requireAll(held: ReadonlySet<string>, permissions: readonly string[]): void {
  if (!permissions.every((permission) => held.has(permission))) throw escalationRefused();
}
