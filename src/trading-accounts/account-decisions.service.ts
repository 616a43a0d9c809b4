import { Injectable, OnModuleInit } from '@nestjs/common';
import { ResourceAccess, ResourceReason } from '../authz/resource-access.service';
import { AccountAccess } from './account-access.service';
import { ACCOUNT_PERMISSIONS } from './trading-account';

const KIND = 'trading_account';

/**
 * Answers checks that name an account (`trading_account:<id>`), by one query each time: a membership that was removed
 * or has expired counts for nothing from that moment, on every instance. Whatever is not one of the three that can be
 * shared is for owners; what does not speak of accounts, as `trading_credentials:read`, nobody has on one: credentials
 * are handed out by a single operation, which judges for itself.
 */
@Injectable()
export class AccountDecisions implements OnModuleInit {
  constructor(
    private readonly resources: ResourceAccess,
    private readonly access: AccountAccess,
  ) {}

  onModuleInit(): void {
    this.resources.register(KIND, (userId, accountId, permission) =>
      this.decide(userId, accountId, permission),
    );
  }

  private async decide(
    userId: string,
    accountId: string,
    permission: string,
  ): Promise<ResourceReason | null> {
    const [kind, action] = permission.split(':');
    if (kind !== KIND) return null;
    const account = await this.access.find(userId, accountId);
    if (!account) return null;
    if (account.isOwner) return 'ownership';
    const shared = ACCOUNT_PERMISSIONS.find((name) => name === action);
    return shared !== undefined && account.permissions.includes(shared) ? 'membership' : null;
  }
}
