import { defineError } from '../common/app-error';

export const notAServiceAccount = defineError(
  'not_a_service_account',
  'conflict',
  'Only the account of a service has API keys: people sign in.',
);
export const tooManyApiKeys = defineError(
  'too_many_api_keys',
  'conflict',
  'This account has as many API keys as one can have: revoke one first.',
);
