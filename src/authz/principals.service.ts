import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { UserStatus } from '../identities/user.entity';

/** A living account with all it may do: what tokens are made of. */
export interface Principal {
  userId: string;
  email: string;
  emailVerified: boolean;
  name: string;
  /** E.164. */
  phone: string | null;
  timezone: string;
  locale: string;
  avatarUrl: string | null;
  createdAt: Date;
  lastLoginAt: Date | null;
  status: UserStatus;
  sessionEpoch: number;
  mfaEnabled: boolean;
  /** As assigned. */
  roles: string[];
  /** Of these roles and all that they include. */
  permissions: string[];
}

const LOAD = `
  WITH RECURSIVE held (role) AS (
    SELECT role FROM user_roles WHERE user_id = $1
    UNION
    SELECT roles.parent FROM held JOIN roles ON roles.name = held.role WHERE roles.parent IS NOT NULL
  )
  SELECT id AS "userId", email, email_verified_at IS NOT NULL AS "emailVerified", name, phone, timezone, locale,
         avatar_url AS "avatarUrl", created_at AS "createdAt", last_login_at AS "lastLoginAt", status,
         session_epoch AS "sessionEpoch", false AS "mfaEnabled",
         ARRAY(SELECT role FROM user_roles WHERE user_id = $1 ORDER BY role) AS roles,
         ARRAY(SELECT DISTINCT permission FROM role_permissions JOIN held USING (role) ORDER BY 1) AS permissions
  FROM users WHERE id = $1 AND deleted_at IS NULL`;

/** Reads accounts with their roles and permissions, in one round trip. */
@Injectable()
export class Principals {
  constructor(private readonly db: EntityManager) {}

  async load(userId: string, tx: EntityManager = this.db): Promise<Principal | null> {
    const [principal] = await tx.query<Principal[]>(LOAD, [userId]);
    return principal ?? null;
  }
}
