/**
 * What happens here, and what subscribers are told of it: the type and its `data`. Ids only: never a secret, never a
 * password, never an e-mail address.
 */
export type RevocationReason =
  | 'logout'
  | 'logout_all'
  | 'revoked_by_user'
  | 'refresh_reuse'
  | 'password_changed'
  | 'password_reset'
  | 'session_limit'
  | 'revoked_by_admin'
  | 'account_suspended'
  | 'account_deleted'
  | 'mfa_enabled'
  | 'mfa_reset'
  | 'account_claimed';

/** What somebody signed in, or up, with. */
export type SignInMethod = 'password' | 'google';
export type SecondFactorMethod = 'totp' | 'backup_code';

export interface EventData {
  'user.registered': { method: SignInMethod | 'administrator'; kind?: 'person' | 'service' };
  'user.email_verified': Record<string, never>;
  'user.login': {
    session_id: string;
    method: SignInMethod;
    second_factor: SecondFactorMethod | null;
    new_device: boolean;
  };
  'user.logout': { session_id: string; all_devices: boolean };
  'user.updated': { fields: string[] };
  'user.suspended': { reason: string | null };
  'user.reactivated': Record<string, never>;
  'user.deleted': { sessions_revoked: number; api_keys_revoked: number; trading_accounts_unlinked: number };
  /** The personal data of an account deleted long ago is erased. */
  'user.purged': Record<string, never>;
  /** Somebody's account at a provider opens this account from now on. */
  'user.provider_linked': { provider: 'google' };
  'login.failed': { reason: 'unknown_account' | 'wrong_password' | 'not_allowed' | 'wrong_mfa_code' };
  'login.locked': { retry_after: number };
  'mfa.enabled': { method: 'totp' };
  /** `reset`: by an administrator, for somebody who lost the authenticator. */
  'mfa.disabled': { reason: 'disabled' | 'reset' | 'account_claimed' | 'account_deleted' };
  'mfa.backup_code_used': { remaining: number };
  'mfa.backup_codes_regenerated': { count: number };
  'password.changed': { sessions_revoked: number };
  'password.reset_requested': Record<string, never>;
  'password.reset_completed': { sessions_revoked: number };
  'session.created': { session_id: string; persistent: boolean; expires_at: string };
  /**
   * The named sessions are over. With `before_epoch` also every other that was opened under a smaller epoch, but for
   * those in `kept_session_ids`.
   */
  'session.revoked': {
    reason: RevocationReason;
    session_ids: string[];
    before_epoch?: number;
    kept_session_ids?: string[];
  };
  'role.assigned': { role: string };
  'role.removed': { role: string };
  'permission.granted': { permission_id: string; permission: string; expires_at: string | null };
  'permission.revoked': { permission_id: string; permission: string };
  'api_key.created': { api_key_id: string; name: string; permissions: string[]; expires_at: string | null };
  'api_key.revoked': { api_key_id: string };
  'trading_account.linked': { broker: string; broker_user_id: string };
  'trading_account.unlinked': { broker: string; reason: 'unlinked' | 'account_deleted' };
  'trading_account.credentials_updated': { credentials: 'staged' | 'rotated' | 'session' };
  'trading_account.updated': { fields: ('nickname' | 'preferences')[] };
  'trading_account.verified': { broker_user_id: string };
  /** `expired`: its time was over; `refused`: the broker said so; `replaced`: another login took its place. */
  'trading_account.session_expired': { reason: 'expired' | 'refused' | 'replaced' };
  /** Stored credentials are not what was stored: somebody changed the database, or its backup. */
  'trading_account.integrity_failed': { part: 'data_key' | 'api_key' | 'api_secret' | 'access_token' };
  'trading_account.credentials_read': { reason: string; fields: string[] };
  'trading_account.member_added': {
    membership_id: string;
    user_id: string;
    permissions: string[];
    expires_at: string | null;
  };
  'trading_account.member_removed': {
    membership_id: string;
    user_id: string;
    /** `inviter_removed`: whoever gave it lost theirs. */
    reason: 'removed' | 'left' | 'inviter_removed' | 'unlinked' | 'account_deleted';
  };
  /** New secrets are wrapped under this version of the master key; older ones are re-wrapped in the background. */
  'master_key.rotated': { provider: string; version: string };
  /** What is stored under the master key is not what was stored: somebody changed the database, or its backup. */
  'secret.integrity_failed': { kind: 'signing_key' | 'totp' | 'data_key' };
  'signing_key.revoked': { kid: string; use: string };
  'signing_key.rotated': { kid: string; use: string; activates_at: string };
}

export type EventType = keyof EventData;
export type EventPriority = 'low' | 'normal' | 'high' | 'critical';

/** What deserves more than `normal`: a subscriber may page somebody for it. */
export const eventPriorities: Partial<Record<EventType, EventPriority>> = {
  'login.failed': 'low',
  'login.locked': 'high',
  'password.changed': 'high',
  'password.reset_completed': 'high',
  'mfa.enabled': 'high',
  'mfa.disabled': 'high',
  'mfa.backup_code_used': 'high',
  'user.suspended': 'high',
  'user.reactivated': 'high',
  'user.deleted': 'high',
  'user.provider_linked': 'high',
  'permission.granted': 'high',
  'permission.revoked': 'high',
  'api_key.created': 'high',
  'api_key.revoked': 'high',
  'role.assigned': 'high',
  'role.removed': 'high',
  'trading_account.linked': 'high',
  'trading_account.unlinked': 'high',
  'trading_account.credentials_updated': 'high',
  'trading_account.integrity_failed': 'critical',
  'trading_account.credentials_read': 'high',
  'trading_account.member_added': 'high',
  'trading_account.member_removed': 'high',
  'master_key.rotated': 'high',
  'secret.integrity_failed': 'critical',
  'signing_key.revoked': 'critical',
  'signing_key.rotated': 'high',
};
