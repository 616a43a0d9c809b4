import { counterOf } from '../../infra/metrics/counter-of';

/** Every refusal counts, though each damage is recorded as an event once. */
export const integrityFailures = counterOf(
  'user_service_credential_integrity_failures_total',
  'Reads of broker credentials that were refused because what is stored is not what was stored, by part',
  { part: ['data_key', 'api_key', 'api_secret', 'access_token'] },
);
