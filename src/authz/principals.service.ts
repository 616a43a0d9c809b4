import { Inject, Injectable } from '@nestjs/common';
import DataLoader from 'dataloader';
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

/** Of several accounts at once, which then share the round trip and most of its cost. */
const LOAD = `
  WITH RECURSIVE held (user_id, role) AS (
    SELECT user_id, role FROM user_roles WHERE user_id = ANY($1::uuid[])
    UNION
    SELECT held.user_id, roles.parent FROM held JOIN roles ON roles.name = held.role WHERE roles.parent IS NOT NULL
  )
  SELECT u.id AS "userId", u.kind, u.email, u.email_verified_at IS NOT NULL AS "emailVerified", u.name, u.phone,
         u.timezone, u.locale, u.avatar_url AS "avatarUrl", u.created_at AS "createdAt",
         u.updated_at AS "updatedAt", u.last_login_at AS "lastLoginAt", u.status,
         u.session_epoch AS "sessionEpoch", u.mfa_enabled AS "mfaEnabled",
         ARRAY(SELECT role FROM user_roles WHERE user_id = u.id ORDER BY role) AS roles,
         ARRAY(SELECT permission FROM held JOIN role_permissions USING (role) WHERE held.user_id = u.id
               UNION
               SELECT permission FROM user_permissions
               WHERE user_id = u.id AND (expires_at IS NULL OR expires_at > $2)
               ORDER BY 1) AS permissions,
         ARRAY(SELECT provider FROM auth_providers WHERE user_id = u.id ORDER BY 1) AS "oauthProviders",
         ARRAY(SELECT id::text FROM (
                 SELECT id, NULL::timestamptz AS since FROM trading_accounts
                 WHERE user_id = u.id AND status <> 'unlinked'
                 UNION ALL
                 SELECT account.id, member.created_at FROM trading_account_members member
                 JOIN trading_accounts account ON account.id = member.trading_account_id AND account.status <> 'unlinked'
                 JOIN users owner ON owner.id = account.user_id AND owner.deleted_at IS NULL
                   AND owner.status IN ('active', 'pending_verification')
                 WHERE $3 AND member.user_id = u.id AND (member.expires_at IS NULL OR member.expires_at > $2)
                   AND ${GIVERS_MAY_SIGN_IN}
                 ORDER BY since NULLS FIRST, id LIMIT 100
               ) accessible ORDER BY id) AS "tradingAccounts"
  FROM users u WHERE u.id = ANY($1::uuid[]) AND u.deleted_at IS NULL`;

/**
 * For how many PostgreSQL makes the one plan that serves any number. For fewer it would find a better one, and make that
 * anew each time, which takes three times as long as the query: short lists are filled up by repetition.
 */
const PLANNED_FOR = 10;
/** More would make a statement that takes long where others wait for a connection. */
const MOST_TOGETHER = 50;

/** Reads accounts with their roles and permissions, in one round trip. */
@Injectable()
export class Principals {
  /** Asks for all who are wanted in the same turn of the event loop; remembers nobody. What fails, fails for them all. */
  private readonly together = new DataLoader<string, Principal | null>((ids) => this.loadAll(ids, this.db), {
    cache: false,
    maxBatchSize: MOST_TOGETHER,
    batchScheduleFn: setImmediate,
  });

  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @param tx the transaction whose eyes to read with; without one, what is committed by now. */
  async load(userId: string, tx?: EntityManager): Promise<Principal | null> {
    if (!tx) return this.together.load(userId);
    const [principal] = await this.loadAll([userId], tx);
    return principal!;
  }

  /** In the order of the ids; null for those who are not there. */
  private async loadAll(userIds: readonly string[], db: EntityManager): Promise<(Principal | null)[]> {
    const principals = await db.query<Principal[]>(LOAD, [
      [...userIds, ...Array<string>(Math.max(0, PLANNED_FOR - userIds.length)).fill(userIds[0]!)],
      this.clock.date(),
      this.config.FEATURE_SHARED_ACCOUNTS,
    ]);
    const found = new Map(principals.map((principal) => [principal.userId, principal]));
    return userIds.map((userId) => found.get(userId.toLowerCase()) ?? null);
  }
}
