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
  | 'account_deleted';

export interface EventData {
  'user.registered': { method: 'password' };
  'user.email_verified': Record<string, never>;
  'user.login': { session_id: string; method: 'password'; new_device: boolean };
  'user.logout': { session_id: string; all_devices: boolean };
  'user.updated': { fields: string[] };
  'login.failed': { reason: 'unknown_account' | 'wrong_password' | 'not_allowed' };
  'login.locked': { retry_after: number };
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
  'role.assigned': 'high',
  'signing_key.revoked': 'critical',
  'signing_key.rotated': 'high',
};
