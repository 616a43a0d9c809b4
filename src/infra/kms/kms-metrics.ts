import { counterOf } from '../metrics/counter-of';

/** `refused`: not what was wrapped; somebody may have changed it. `failed`: the provider did not do it. */
export const kmsOperations = counterOf(
  'user_service_kms_operations_total',
  'Secrets that were wrapped or unwrapped with the master key, by result',
  { operation: ['wrap', 'unwrap'], result: ['success', 'refused', 'failed'] },
);

/** `overtaken`: somebody has replaced or removed it meanwhile. `no_key`: the key of its version is not here. */
export const rewrappedSecrets = counterOf(
  'user_service_rewrapped_secrets_total',
  'Secrets that were re-wrapped under the present version of the master key, by result',
  { result: ['success', 'overtaken', 'damaged', 'no_key'] },
);
