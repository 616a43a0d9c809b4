import { Injectable } from '@nestjs/common';
import { requirePermission } from '../../authz/require-permission';
import { IdentifiedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { pageOf, PageQuery } from '../../common/pagination';
import { AccountAccess } from '../account-access.service';
import { accountItem } from '../account-view';
import { LoginUrls } from '../logins/login-urls.service';
import { TradingAccountList, TradingAccountStatus } from './reading.dto';
import { TradingAccountItem } from '../trading-accounts.dto';

/** Shows accounts to those who own or share them. It asks no broker. */
@Injectable()
export class ReadAccounts {
  constructor(
    private readonly access: AccountAccess,
    private readonly loginUrls: LoginUrls,
    private readonly clock: Clock,
  ) {}

  /** Owned and shared ones. @throws permission_denied */
  async list(caller: IdentifiedCaller, page: PageQuery): Promise<TradingAccountList> {
    requirePermission(caller, 'trading_account:view');
    const { accounts, total } = await this.access.list(caller.userId, page);
    const items = accounts.map((account) => accountItem(account));
    return pageOf(items, total, page);
  }

  /** @throws permission_denied, not_found, account_permission_denied, unavailable */
  async one(caller: IdentifiedCaller, accountId: string): Promise<TradingAccountItem> {
    requirePermission(caller, 'trading_account:view');
    const account = await this.access.require(caller, accountId, 'view');
    return accountItem(account, await this.loginUrls.of(account));
  }

  /** As the database knows it. @throws permission_denied, not_found */
  async status(caller: IdentifiedCaller, accountId: string): Promise<TradingAccountStatus> {
    requirePermission(caller, 'trading_account:view');
    const { status, lastVerifiedAt, sessionExpiresAt } = await this.access.require(caller, accountId, 'view');
    return {
      status,
      credentials_valid:
        status === 'active' && (sessionExpiresAt === null || sessionExpiresAt > this.clock.date()),
      last_verified_at: lastVerifiedAt?.toISOString() ?? null,
      session_expires_at: sessionExpiresAt?.toISOString() ?? null,
    };
  }
}
