import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { notFound } from '../common/common.errors';
import { HeldPermission, HeldPermissionList } from './authz.dto';
import { Decisions } from './decisions.service';

const LOAD = `
  WITH RECURSIVE account (id) AS (
    SELECT id FROM users
    WHERE id = $1 AND deleted_at IS NULL AND ($3 OR status IN ('active', 'pending_verification'))
  ), held (role) AS (
    SELECT role FROM user_roles JOIN account ON id = user_id
    UNION
    SELECT roles.parent FROM held JOIN roles ON roles.name = held.role WHERE roles.parent IS NOT NULL
  ), listed AS (
    SELECT permission, 'role' AS source, role, NULL::uuid AS permission_id, NULL::timestamptz AS expires_at
    FROM role_permissions JOIN held USING (role)
    UNION ALL
    SELECT permission, 'direct', NULL, user_permissions.id, expires_at
    FROM user_permissions JOIN account ON account.id = user_id
    WHERE expires_at IS NULL OR expires_at > $2
  )
  SELECT EXISTS (SELECT FROM account) AS "isThere",
         ARRAY(SELECT role FROM user_roles JOIN account ON id = user_id ORDER BY role) AS roles,
         (SELECT coalesce(json_agg(listed ORDER BY permission, source, role), '[]') FROM listed) AS permissions`;

interface Row {
  isThere: boolean;
  roles: string[];
  permissions: Item[];
}

interface Item {
  permission: string;
  source: HeldPermission['source'];
  role: string;
  permission_id: string;
  expires_at: string | null;
}

/** Lists what somebody holds, and from where: one entry for each role that has it, and one for a grant. */
@Injectable()
export class HeldPermissions {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly decisions: Decisions,
  ) {}

  /**
   * The caller's own; with an API key what the key lets through of it. Of another user all, also where the account is
   * suspended: what is taken from it then it will not have when it comes back.
   * @throws permission_denied, not_found for another user.
   */
  async list(caller: IdentifiedCaller, ofUser?: string): Promise<HeldPermissionList> {
    const userId = ofUser?.toLowerCase() ?? caller.userId;
    const isOther = userId !== caller.userId;
    if (isOther) await this.decisions.requireOfCaller(caller, 'authz:check');
    const [row] = await this.db.query<[Row]>(LOAD, [userId, this.clock.date(), isOther]);
    if (isOther && !row.isThere) throw notFound();
    const limits = isOther ? undefined : caller.keyPermissions;
    const usable = row.permissions.filter(({ permission }) => limits?.has(permission) ?? true);
    return { user_id: userId, roles: row.roles, permissions: usable.map(toItem) };
  }
}

function toItem({ permission, source, role, permission_id, expires_at }: Item): HeldPermission {
  if (source === 'role') return { permission, source, role };
  return {
    permission,
    source,
    permission_id,
    expires_at: expires_at === null ? null : new Date(expires_at).toISOString(),
  };
}
