import type { Principal } from '../authz/principals.service';
import type { Account } from './accounts.dto';
import type { Profile } from './profile.dto';

/** An account as its owner sees it. */
export function profileOf(principal: Principal): Profile {
  return {
    user_id: principal.userId,
    email: principal.email,
    email_verified: principal.emailVerified,
    name: principal.name,
    phone: principal.phone,
    timezone: principal.timezone,
    locale: principal.locale,
    avatar_url: principal.avatarUrl,
    status: principal.status,
    mfa_enabled: principal.mfaEnabled,
    oauth_providers: principal.oauthProviders,
    roles: principal.roles,
    permissions: principal.permissions,
    trading_accounts: principal.tradingAccounts,
    created_at: principal.createdAt.toISOString(),
    last_login_at: principal.lastLoginAt?.toISOString() ?? null,
  };
}

/** An account as administrators see it. */
export function accountOf(principal: Principal): Account {
  return {
    ...profileOf(principal),
    kind: principal.kind,
    updated_at: principal.updatedAt.toISOString(),
  };
}
