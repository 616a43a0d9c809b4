import { counterOf } from '../infra/metrics/counter-of';
import type { FailureReason } from './login-trail';

/**
 * `mfa_required`: the first factor was right, the second is asked for. An unknown account and a wrong password are one
 * result, as they are one answer. `refused`: the account, or what it is linked with, does not allow it.
 */
export const signIns = counterOf(
  'user_service_sign_ins_total',
  'Tries to sign in, by what they began with and how they ended; those that a dead store ended are not counted',
  {
    method: ['password', 'google'],
    result: ['success', 'mfa_required', 'invalid_credentials', 'locked', 'refused'],
  },
);

/** `reused`: a refresh token that was exchanged long ago, the alarm. `invalid`: not one of ours, or its session is over. */
export const refreshes = counterOf(
  'user_service_refreshes_total',
  'Refresh tokens presented, by what became of them',
  { result: ['rotated', 'reused', 'limited', 'invalid'] },
);

export const failureResult = (reason: FailureReason): string =>
  reason === 'not_allowed' ? 'refused' : 'invalid_credentials';
