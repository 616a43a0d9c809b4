import { RevocationReason } from '../infra/events/event-types';
import { counterOf } from '../infra/metrics/counter-of';

/** Every reason, so that a new one is missed by the compiler and not by an operator. */
const reasons: Record<RevocationReason, true> = {
  logout: true,
  logout_all: true,
  revoked_by_user: true,
  refresh_reuse: true,
  password_changed: true,
  password_reset: true,
  session_limit: true,
  revoked_by_admin: true,
  account_suspended: true,
  account_deleted: true,
  mfa_enabled: true,
  mfa_reset: true,
  account_claimed: true,
};

export const sessionsOpened = counterOf('user_service_sessions_opened_total', 'Sessions opened', {});

/**
 * How many are open is no metric: it is spread over one key of Redis a user, and asking them all at each scrape, or
 * keeping one number that all instances fight for, costs more than it tells.
 */
export const sessionsEnded = counterOf(
  'user_service_sessions_ended_total',
  'Sessions ended by somebody or something; those that nobody used until they expired are not counted',
  { reason: Object.keys(reasons) },
);
