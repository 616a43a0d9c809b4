import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { GIVERS_MAY_SIGN_IN } from '../authz/givers-may-sign-in';
import { IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { notFound } from '../common/common.errors';
import { CONFIG, Config } from '../config/config';
import { AccessibleAccount, AccountPermission } from './trading-account';
import { accountPermissionDenied, ownerRequired } from './trading-accounts.errors';

/**
 * The accounts that a user ($1) has access to at a moment ($2), owned or, where sharing is on ($3), shared. Nobody has
 * access to one whose owner may not sign in, or by what somebody gave who may not.
 */
const ACCESSIBLE = `
  SELECT account.id, account.user_id AS "userId", account.broker, account.broker_user_id AS "brokerUserId",
         account.nickname, account.preferences, account.status, account.created_at AS "createdAt",
         account.linked_at AS "linkedAt", account.last_verified_at AS "lastVerifiedAt",
         account.session_expires_at AS "sessionExpiresAt", account.user_id = $1 AS "isOwner",
         CASE WHEN account.user_id = $1 THEN ARRAY['view', 'trade', 'manage'] ELSE member.permissions END AS permissions,
         coalesce((SELECT api_key_masked FROM trading_credentials WHERE trading_account_id = account.id
                   ORDER BY state LIMIT 1), '') AS "apiKeyMasked",
         EXISTS (SELECT FROM trading_credentials
                 WHERE trading_account_id = account.id AND state = 'staged') AS "hasStaged"
  FROM trading_accounts account
  JOIN users owner ON owner.id = account.user_id AND owner.deleted_at IS NULL
    AND owner.status IN ('active', 'pending_verification')
  LEFT JOIN trading_account_members member ON member.trading_account_id = account.id AND member.user_id = $1
    AND (member.expires_at IS NULL OR member.expires_at > $2) AND $3
    AND ${GIVERS_MAY_SIGN_IN}
  WHERE account.status <> 'unlinked' AND (account.user_id = $1 OR member.id IS NOT NULL)`;

/** Of these all, or those alone that they own ($4). */
const LISTED = `${ACCESSIBLE} AND (NOT $4 OR account.user_id = $1)`;

/** Who may do what with which trading account, asked in the query itself: what somebody may not see is not there. */
@Injectable()
export class AccountAccess {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly db: EntityManager,
    private readonly clock: Clock,
  ) {}

  /** An account that the user owns or shares; null where there is none. */
  async find(
    userId: string,
    accountId: string,
    tx: EntityManager = this.db,
  ): Promise<AccessibleAccount | null> {
    const [account] = await tx.query<AccessibleAccount[]>(`${ACCESSIBLE} AND account.id = $4`, [
      ...this.asked(userId),
      accountId,
    ]);
    return account ?? null;
  }

  /** @throws not_found, account_permission_denied */
  async require(
    { userId }: IdentifiedCaller,
    accountId: string,
    permission: AccountPermission,
    tx?: EntityManager,
  ): Promise<AccessibleAccount> {
    const account = await this.find(userId, accountId, tx);
    if (!account) throw notFound();
    if (!account.permissions.includes(permission)) throw accountPermissionDenied();
    return account;
  }

  /** @throws not_found, owner_required where the account is shared with the caller. */
  async requireOwner(
    { userId }: IdentifiedCaller,
    accountId: string,
    tx?: EntityManager,
  ): Promise<AccessibleAccount> {
    const account = await this.find(userId, accountId, tx);
    if (!account) throw notFound();
    if (!account.isOwner) throw ownerRequired();
    return account;
  }

  /** Newest first; with `ownedOnly` without those that are shared with the user. */
  async list(
    userId: string,
    { limit, offset, ownedOnly = false }: { limit: number; offset: number; ownedOnly?: boolean },
  ): Promise<{ accounts: AccessibleAccount[]; total: number }> {
    const asked = [...this.asked(userId), ownedOnly];
    const rows = await this.db.query<(AccessibleAccount & { total: number })[]>(
      `SELECT *, (count(*) OVER ())::integer AS total FROM (${LISTED}) accessible ORDER BY id DESC LIMIT $5 OFFSET $6`,
      [...asked, limit, offset],
    );
    if (rows.length > 0 || offset === 0) return { accounts: rows, total: rows[0]?.total ?? 0 };
    const [{ total }] = await this.db.query<[{ total: number }]>(
      `SELECT count(*)::integer AS total FROM (${LISTED}) accessible`,
      asked,
    );
    return { accounts: [], total };
  }

  private asked(userId: string): [userId: string, at: Date, isSharingOn: boolean] {
    return [userId, this.clock.date(), this.config.FEATURE_SHARED_ACCOUNTS];
  }
}
