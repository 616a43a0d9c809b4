import { z } from 'zod';
import { eventSchemas } from './event-schemas';
import { revocationReason, secondFactorMethod, signInMethod } from './schemas/account-events';

export type RevocationReason = z.infer<typeof revocationReason>;
export type SignInMethod = z.infer<typeof signInMethod>;
export type SecondFactorMethod = z.infer<typeof secondFactorMethod>;

/** The `data` of each type, as its schema has it. */
export type EventData = { [T in keyof typeof eventSchemas]: z.infer<(typeof eventSchemas)[T]['data']> };

export type EventType = keyof EventData;
export const eventTypes = Object.keys(eventSchemas) as EventType[];
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
  'audit.read': 'high',
  'audit.exported': 'high',
  'audit.dropped': 'high',
  'webhook.created': 'high',
  'webhook.updated': 'high',
  'webhook.secret_rotated': 'high',
  'webhook.deleted': 'high',
};
