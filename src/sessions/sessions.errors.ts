import { defineError } from '../common/app-error';

export const refreshTokenMissing = defineError(
  'refresh_token_missing',
  'unauthenticated',
  'Send the refresh token, as a cookie or in the body.',
);
export const invalidRefreshToken = defineError(
  'invalid_refresh_token',
  'unauthenticated',
  'The refresh token is not valid, or its session is over. Sign in again.',
);
export const refreshTokenReused = defineError(
  'refresh_token_reused',
  'unauthenticated',
  'This refresh token was used before. Every session was ended for safety; sign in again.',
);
