import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../../authz/authority.service';
import { requirePermission } from '../../authz/require-permission';
import { AuthenticatedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { notFound } from '../../common/common.errors';
import { AccountAccess } from '../account-access.service';
import { isUnder, livingMembers, Membership } from './living-members';
import { lockAccount } from './lock-account';
import { RemovalReason, RemoveMembers } from './remove-members.service';
import { Sharing } from './sharing.service';
import { AccessibleAccount } from '../trading-account';
import { accountPermissionDenied } from '../trading-accounts.errors';

/** Of the platform: what it takes to remove somebody else. */
const MANAGE = 'trading_account:manage';

/** Ends a membership: everybody their own, owners all, and members who manage those given under theirs. */
@Injectable()
export class RemoveMember {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly access: AccountAccess,
    private readonly authority: Authority,
    private readonly sharing: Sharing,
    private readonly members: RemoveMembers,
  ) {}

  /** @throws feature_disabled, permission_denied, not_found, account_permission_denied */
  async run(caller: AuthenticatedCaller, accountId: string, membershipId: string): Promise<void> {
    requirePermission(caller, 'trading_account:view');
    this.sharing.requireOn();
    await this.access.require(caller, accountId, 'view');
    await this.db.transaction(async (tx) => {
      if (!(await lockAccount(tx, accountId))) throw notFound();
      // Again: while the call waited, its caller may have been removed, or suspended.
      const account = await this.access.require(caller, accountId, 'view', tx);
      const living = await livingMembers(tx, accountId, this.clock.date());
      const member = living.find(({ id }) => id === membershipId);
      const reason = await this.judge(tx, caller, account, living, member);
      await this.members.one(tx, caller, membershipId, reason);
    });
  }

  private async judge(
    tx: EntityManager,
    caller: AuthenticatedCaller,
    account: AccessibleAccount,
    living: readonly Membership[],
    member: Membership | undefined,
  ): Promise<RemovalReason> {
    if (member?.userId === caller.userId) {
      await this.authority.requireNow(tx, caller, []);
      return 'left';
    }
    // Whoever does not manage the account is not told which memberships there are.
    if (!account.permissions.includes('manage')) throw accountPermissionDenied();
    requirePermission(caller, MANAGE);
    await this.authority.requireNow(tx, { ...caller, admittedWith: MANAGE }, []);
    if (!member) throw notFound();
    const own = living.find(({ userId }) => userId === caller.userId);
    if (!account.isOwner && !(own && isUnder(living, member, own.id))) throw accountPermissionDenied();
    return 'removed';
  }
}
