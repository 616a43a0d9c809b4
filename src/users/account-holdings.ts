import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { RevokeApiKeys } from '../api-keys/revoke-api-keys.service';
import { ForgetExports } from '../audit/exports/forget-exports.service';
import { Caller } from '../common/caller';
import { RemoveMembers } from '../trading-accounts/members/remove-members.service';
import { UnlinkAccounts, Unlinked } from '../trading-accounts/links/unlink-accounts.service';

/** What an account has in other features, which ends with it. */
@Injectable()
export class AccountHoldings {
  constructor(
    private readonly members: RemoveMembers,
    private readonly tradingAccounts: UnlinkAccounts,
    private readonly apiKeys: RevokeApiKeys,
    private readonly exports: ForgetExports,
  ) {}

  /** In a transaction that has locked the account's row. */
  async giveUp(
    tx: EntityManager,
    caller: Caller,
    userId: string,
  ): Promise<{ unlinked: Unlinked[]; apiKeysRevoked: number }> {
    // First: it locks the trading accounts, shared and own, before any event takes the lock of its subject.
    await this.members.ofUser(tx, caller, userId, 'account_deleted');
    await this.exports.ofUser(tx, userId);
    return {
      unlinked: await this.tradingAccounts.ofUser(tx, caller, userId),
      apiKeysRevoked: await this.apiKeys.ofUser(tx, caller, userId),
    };
  }
}
