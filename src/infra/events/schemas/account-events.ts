import { z } from 'zod';
import { count, event, id, text, time } from './event-schema';

/** What somebody signed in, or up, with. */
export const signInMethod = z.enum(['password', 'google']);
export const secondFactorMethod = z.enum(['totp', 'backup_code']);

export const revocationReason = z.enum([
  'logout',
  'logout_all',
  'revoked_by_user',
  'refresh_reuse',
  'password_changed',
  'password_reset',
  'session_limit',
  'revoked_by_admin',
  'account_suspended',
  'account_deleted',
  'mfa_enabled',
  'mfa_reset',
  'account_claimed',
]);

/** Of accounts, and of signing in to them. */
export const accountEvents = {
  'user.registered': event('An account was made.', {
    method: z.enum([...signInMethod.options, 'administrator']),
    kind: z.enum(['person', 'service']).optional(),
  }),
  'user.email_verified': event('The address of an account was proved.', {}),
  'user.login': event('Somebody signed in.', {
    session_id: id,
    method: signInMethod,
    second_factor: secondFactorMethod.nullable(),
    new_device: z.boolean(),
  }),
  'user.logout': event('Somebody signed out.', { session_id: id, all_devices: z.boolean() }),
  'user.updated': event('A profile was changed: the names of the members, not what they say.', {
    fields: z.array(text('name')),
  }),
  'user.suspended': event(
    'An account may not sign in until it is reactivated.',
    { reason: text('Chargeback 4711').nullable() },
    ['reason'],
  ),
  'user.reactivated': event('A suspended account may sign in again.', {}),
  'user.deleted': event('An account was deleted; its personal data is erased 30 days later.', {
    sessions_revoked: count,
    api_keys_revoked: count,
    trading_accounts_unlinked: count,
  }),
  'user.purged': event('The personal data of an account deleted long ago is erased. Erase yours.', {}),
  'user.provider_linked': event("Somebody's account at a provider opens this account from now on.", {
    provider: z.literal('google'),
  }),
  'login.failed': event(
    'A sign-in was refused. The subject is `address:<digest>` where no account was meant; the same address has the same one until keys rotate.',
    {
      reason: z.enum(['unknown_account', 'wrong_password', 'not_allowed', 'wrong_mfa_code']),
    },
  ),
  'login.locked': event('Too many sign-ins failed: there are none until `retry_after` seconds have passed.', {
    retry_after: count,
  }),
  'mfa.enabled': event('A second factor is asked for from now on.', { method: z.literal('totp') }),
  'mfa.disabled': event(
    'No second factor is asked for any more. `reset`: by an administrator, for somebody who lost the authenticator.',
    { reason: z.enum(['disabled', 'reset', 'account_claimed', 'account_deleted']) },
  ),
  'mfa.backup_code_used': event('A backup code stood for the second factor.', { remaining: count }),
  'mfa.backup_codes_regenerated': event('The backup codes are new, the former ones void.', { count }),
  'password.changed': event('The owner changed the password.', { sessions_revoked: count }),
  'password.reset_requested': event('Somebody asked for a link to reset the password.', {}),
  'password.reset_completed': event('The password was reset by a link from a mail.', {
    sessions_revoked: count,
  }),
  'session.created': event('A session began.', { session_id: id, persistent: z.boolean(), expires_at: time }),
  'session.revoked': event(
    'The named sessions are over. With `before_epoch` also every other that was opened under a smaller epoch, but for those in `kept_session_ids`.',
    {
      reason: revocationReason,
      session_ids: z.array(id),
      before_epoch: count.optional(),
      kept_session_ids: z.array(id).optional(),
    },
  ),
};
