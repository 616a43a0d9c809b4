import { Injectable } from '@nestjs/common';
import { IdentifiedCaller } from '../../common/caller';
import { AccountAccess } from '../account-access.service';
import { accountItem } from '../account-view';
import { LoginUrls } from '../logins/login-urls.service';
import { TradingAccountItem } from '../trading-accounts.dto';

/** An account as its owner sees it after changing it. */
@Injectable()
export class OwnAccountItem {
  constructor(
    private readonly access: AccountAccess,
    private readonly loginUrls: LoginUrls,
  ) {}

  /** @throws not_found, owner_required */
  async of(caller: IdentifiedCaller, accountId: string): Promise<TradingAccountItem> {
    const account = await this.access.requireOwner(caller, accountId);
    return accountItem(account, await this.loginUrls.of(account));
  }
}
