import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { HeldPermission, HeldPermissionList } from './authz.dto';

const LOAD = `
  WITH RECURSIVE account (id) AS (
    SELECT id FROM users
    WHERE id = $1 AND status IN ('active', 'pending_verification') AND deleted_at IS NULL
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
  SELECT ARRAY(SELECT role FROM user_roles JOIN account ON id = user_id ORDER BY role) AS roles,
         (SELECT coalesce(json_agg(listed ORDER BY permission, source, role), '[]') FROM listed) AS permissions`;

interface Row {
  permission: string;
  source: HeldPermission['source'];
  role: string;
  permission_id: string;
  expires_at: string | null;
}

/** Lists what a caller holds, and from where: one entry for each role that has it, and one for a grant. */
@Injectable()
export class HeldPermissions {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
  ) {}

  /** With an API key: what the key lets through of it. */
  async list({ userId, keyPermissions }: IdentifiedCaller): Promise<HeldPermissionList> {
    const [row] = await this.db.query<{ roles: string[]; permissions: Row[] }[]>(LOAD, [
      userId,
      this.clock.date(),
    ]);
    const { roles = [], permissions = [] } = row ?? {};
    const usable = permissions.filter(({ permission }) => keyPermissions?.has(permission) ?? true);
    return { user_id: userId, roles, permissions: usable.map(toItem) };
  }
}

function toItem({ permission, source, role, permission_id, expires_at }: Row): HeldPermission {
  if (source === 'role') return { permission, source, role };
  return {
    permission,
    source,
    permission_id,
    expires_at: expires_at === null ? null : new Date(expires_at).toISOString(),
  };
}
