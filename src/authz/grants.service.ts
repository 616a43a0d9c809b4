import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { notFound, validationFailed } from '../common/common.errors';
import { newId } from '../common/ids';
import { readEnd } from '../common/read-end';
import { Events } from '../infra/events/events';
import { Authority } from './authority.service';
import { GrantBody, GrantReply } from './authz.dto';
import { escalationRefused, permissionAlreadyGranted } from './authz.errors';
import { PermissionCache } from './permission-cache';
import { requireProvedAddress } from './proved-address';
import { requirePermission } from './require-permission';

/** Gives a single permission to a user, beside what their roles have, and takes it back. */
@Injectable()
export class Grants {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly cache: PermissionCache,
    private readonly authority: Authority,
    private readonly events: Events,
  ) {}

  /**
   * A grant that has expired makes room for the new one.
   * @throws permission_denied, validation_failed, escalation_refused, email_not_verified, not_found,
   * permission_already_granted
   */
  async grant(caller: IdentifiedCaller, body: GrantBody): Promise<GrantReply> {
    requirePermission(caller, 'authz:grant');
    const { permission } = body;
    const userId = body.user_id.toLowerCase();
    const expiresAt = readEnd(body.expires_at, { now: this.clock.now(), mostYears: 10 });
    await this.requireKnown(permission);
    if (userId === caller.userId) throw escalationRefused();
    // First without a lock: whoever may not, puts up no fence.
    await this.authority.requireOver(caller, userId);
    const grant = { id: newId(), userId, permission, at: this.clock.date(), expiresAt };
    await this.cache.whileChanging(userId, () =>
      this.db.transaction(async (tx) => {
        await this.authority.requireOver(caller, userId, tx);
        await this.authority.requireUntil(tx, caller, [permission], expiresAt);
        await requireProvedAddress(tx, userId, [permission]);
        await insert(tx, grant, caller);
        await this.events.record(tx, caller, {
          type: 'permission.granted',
          subject: `user:${userId}`,
          data: { permission_id: grant.id, permission, expires_at: expiresAt?.toISOString() ?? null },
        });
      }),
    );
    return {
      permission_id: grant.id,
      user_id: userId,
      permission,
      granted_by: caller.userId,
      granted_at: grant.at.toISOString(),
      expires_at: expiresAt?.toISOString() ?? null,
    };
  }

  /**
   * Taking from oneself is allowed: it makes nobody more than they were.
   * @throws permission_denied, not_found, escalation_refused
   */
  async revoke(caller: IdentifiedCaller, permissionId: string): Promise<void> {
    requirePermission(caller, 'authz:grant');
    const [found] = await this.db.query<{ user_id: string }[]>(
      `SELECT user_id FROM user_permissions WHERE id = $1`,
      [permissionId],
    );
    if (!found) throw notFound();
    const userId = found.user_id;
    await this.authority.requireOver(caller, userId);
    await this.cache.whileChanging(userId, () =>
      this.db.transaction(async (tx) => {
        await this.authority.requireOver(caller, userId, tx);
        const [[gone]] = await tx.query<[{ permission: string }[], number]>(
          `DELETE FROM user_permissions WHERE id = $1 RETURNING permission`,
          [permissionId],
        );
        if (!gone) throw notFound();
        if (userId !== caller.userId) await this.authority.requireNow(tx, caller, [gone.permission]);
        await this.events.record(tx, caller, {
          type: 'permission.revoked',
          subject: `user:${userId}`,
          data: { permission_id: permissionId, permission: gone.permission },
        });
      }),
    );
  }

  private async requireKnown(permission: string): Promise<void> {
    const known = await this.db.query<unknown[]>(`SELECT FROM permissions WHERE name = $1`, [permission]);
    if (known.length > 0) return;
    const message = 'permission is not one of this platform';
    throw validationFailed({ fields: [{ field: 'permission', message }] });
  }
}

interface NewGrant {
  id: string;
  userId: string;
  permission: string;
  at: Date;
  expiresAt: Date | null;
}

async function insert(tx: EntityManager, grant: NewGrant, { userId }: IdentifiedCaller): Promise<void> {
  const rows = await tx.query<unknown[]>(
    `INSERT INTO user_permissions AS held (id, user_id, permission, granted_by, granted_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (user_id, permission) DO UPDATE
     SET id = EXCLUDED.id, granted_by = EXCLUDED.granted_by, granted_at = EXCLUDED.granted_at,
         expires_at = EXCLUDED.expires_at
     WHERE held.expires_at <= EXCLUDED.granted_at
     RETURNING id`,
    [grant.id, grant.userId, grant.permission, `user:${userId}`, grant.at, grant.expiresAt],
  );
  if (rows.length > 0) return;
  const [standing] = await tx.query<{ permission_id: string }[]>(
    `SELECT id AS permission_id FROM user_permissions WHERE user_id = $1 AND permission = $2`,
    [grant.userId, grant.permission],
  );
  // With what it takes to revoke it.
  throw permissionAlreadyGranted({ extra: { ...standing } });
}
