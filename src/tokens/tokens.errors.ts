import { defineError } from '../common/app-error';

export const invalidAccessToken = defineError(
  'invalid_access_token',
  'unauthenticated',
  'The access token is not valid here, or no longer.',
);
