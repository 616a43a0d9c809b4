import { counterOf } from '../infra/metrics/counter-of';

/** `locked`: too many wrong codes of one user. At a sign-in, and where a signed-in user proves presence. */
export const secondFactors = counterOf(
  'user_service_second_factors_total',
  'Codes of a second factor that were tried, by kind and result',
  { method: ['totp', 'backup_code'], result: ['success', 'invalid', 'locked'] },
);
