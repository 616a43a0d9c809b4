import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { requirePermission } from '../../authz/require-permission';
import { AuthenticatedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { pageOf, PageQuery } from '../../common/pagination';
import { AccountAccess } from '../account-access.service';
import { Member, memberItem } from './member-item';
import { MemberList } from './members.dto';
import { Sharing } from './sharing.service';

/** Shows with whom an account is shared, newest first. Expired memberships are gone; their events stay. */
@Injectable()
export class ListMembers {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly access: AccountAccess,
    private readonly sharing: Sharing,
  ) {}

  /** @throws feature_disabled, permission_denied, not_found, account_permission_denied */
  async run(caller: AuthenticatedCaller, accountId: string, page: PageQuery): Promise<MemberList> {
    requirePermission(caller, 'trading_account:view');
    this.sharing.requireOn();
    const { isOwner } = await this.access.require(caller, accountId, 'manage');
    // An address is told to those who know it: it is what people are invited by.
    const living = `
      FROM trading_account_members member JOIN users ON users.id = member.user_id
      WHERE trading_account_id = $1 AND (expires_at IS NULL OR expires_at > $2)`;
    const scope = [accountId, this.clock.date()];
    const [counted] = await this.db.query<{ total: number }[]>(
      `SELECT count(*)::integer AS total ${living}`,
      scope,
    );
    const members = await this.db.query<Member[]>(
      `SELECT member.id, user_id AS "userId", name, permissions, granted_by AS "grantedBy",
              member.created_at AS "createdAt", expires_at AS "expiresAt",
              CASE WHEN $3 OR user_id = $4 OR granted_by = 'user:' || $4::text THEN email END AS email
       ${living} ORDER BY member.id DESC LIMIT $5 OFFSET $6`,
      [...scope, isOwner, caller.userId, page.limit, page.offset],
    );
    return pageOf(members.map(memberItem), counted?.total ?? 0, page);
  }
}
