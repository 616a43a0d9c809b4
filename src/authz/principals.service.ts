import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { CONFIG, Config } from '../config/config';
import { UserKind, UserStatus } from '../identities/user.entity';
import { GIVERS_MAY_SIGN_IN } from './givers-may-sign-in';

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
  /**
   * Ids of those owned or shared, sorted, as of now. At most a hundred, the own ones first, then what was shared first:
   * everybody can share with anybody, and tokens travel in headers.
   */
  tradingAccounts: string[];
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
         ARRAY(SELECT provider FROM auth_providers WHERE user_id = $1 ORDER BY 1) AS "oauthProviders",
         ARRAY(SELECT id::text FROM (
                 SELECT id, NULL::timestamptz AS since FROM trading_accounts
                 WHERE user_id = $1 AND status <> 'unlinked'
                 UNION ALL
                 SELECT account.id, member.created_at FROM trading_account_members member
                 JOIN trading_accounts account ON account.id = member.trading_account_id AND account.status <> 'unlinked'
                 JOIN users owner ON owner.id = account.user_id AND owner.deleted_at IS NULL
                   AND owner.status IN ('active', 'pending_verification')
                 WHERE $3 AND member.user_id = $1 AND (member.expires_at IS NULL OR member.expires_at > $2)
                   AND ${GIVERS_MAY_SIGN_IN}
                 ORDER BY since NULLS FIRST, id LIMIT 100
               ) accessible ORDER BY id) AS "tradingAccounts"
  FROM users WHERE id = $1 AND deleted_at IS NULL`;

/** Reads accounts with their roles and permissions, in one round trip. */
@Injectable()
export class Principals {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async load(userId: string, tx: EntityManager = this.db): Promise<Principal | null> {
    const [principal] = await tx.query<Principal[]>(LOAD, [
      userId,
      this.clock.date(),
      this.config.FEATURE_SHARED_ACCOUNTS,
    ]);
    return principal ?? null;
  }
}
