import { AccountLoginUrls } from './logins/login-urls.service';
import { AccessibleAccount } from './trading-account';
import { TradingAccountItem } from './trading-accounts.dto';

/** An account as somebody with access sees it. */
export function accountItem(account: AccessibleAccount, urls: AccountLoginUrls = {}): TradingAccountItem {
  return {
    trading_account_id: account.id,
    broker: account.broker,
    broker_user_id: account.brokerUserId,
    nickname: account.nickname,
    status: account.status,
    is_owner: account.isOwner,
    permissions: account.permissions,
    preferences: account.preferences,
    linked_at: account.linkedAt?.toISOString() ?? null,
    last_verified_at: account.lastVerifiedAt?.toISOString() ?? null,
    session_expires_at: account.sessionExpiresAt?.toISOString() ?? null,
    api_key_masked: account.apiKeyMasked,
    rotation_pending: account.hasStaged && account.brokerUserId !== null,
    ...urls,
  };
}
