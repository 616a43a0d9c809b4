import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { UserKind, UserStatus } from '../identities/user.entity';

/** A living account with all it may do: what tokens are made of. */
export interface Principal {
  userId: string;
  kind: UserKind;
  /** Null: a service. */
  email: string | null;
  emailVerified: boolean;
  name: string;
  /** E.164. */
  phone: string | null;
  timezone: string;
  locale: string;
  avatarUrl: string | null;
  createdAt: Date;
  updatedAt: Date;
  lastLoginAt: Date | null;
  status: UserStatus;
  sessionEpoch: number;
  mfaEnabled: boolean;
  /** As assigned. */
  roles: string[];
  /** Of these roles and all that they include, and those granted directly, as of now. */
  permissions: string[];
  /** Providers that open the account, for example `google`. */
  oauthProviders: string[];
}

const LOAD = `
  WITH RECURSIVE held (role) AS (
    SELECT role FROM user_roles WHERE user_id = $1
    UNION
    SELECT roles.parent FROM held JOIN roles ON roles.name = held.role WHERE roles.parent IS NOT NULL
  )
  SELECT id AS "userId", kind, email, email_verified_at IS NOT NULL AS "emailVerified", name, phone, timezone, locale,
         avatar_url AS "avatarUrl", created_at AS "createdAt",
         updated_at AS "updatedAt", last_login_at AS "lastLoginAt", status,
         session_epoch AS "sessionEpoch", mfa_enabled AS "mfaEnabled",
         ARRAY(SELECT role FROM user_roles WHERE user_id = $1 ORDER BY role) AS roles,
         ARRAY(SELECT permission FROM role_permissions JOIN held USING (role)
               UNION
               SELECT permission FROM user_permissions
               WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > $2)
               ORDER BY 1) AS permissions,
         ARRAY(SELECT provider FROM auth_providers WHERE user_id = $1 ORDER BY 1) AS "oauthProviders"
  FROM users WHERE id = $1 AND deleted_at IS NULL`;

/** Reads accounts with their roles and permissions, in one round trip. */
@Injectable()
export class Principals {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
  ) {}

  async load(userId: string, tx: EntityManager = this.db): Promise<Principal | null> {
    const [principal] = await tx.query<Principal[]>(LOAD, [userId, this.clock.date()]);
    return principal ?? null;
  }
}
