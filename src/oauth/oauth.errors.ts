import { defineError } from '../common/app-error';

export const googleNotConfigured = defineError(
  'google_not_configured',
  'not_found',
  'Sign-in with Google is switched off here.',
);
export const invalidOauthState = defineError(
  'invalid_oauth_state',
  'malformed',
  'This sign-in was used, is too old, or began in another browser. Start again.',
);
export const invalidOauthCode = defineError(
  'invalid_oauth_code',
  'unauthenticated',
  'Google does not confirm this sign-in. Start again.',
);
export const emailNotUsable = defineError(
  'email_not_usable',
  'forbidden',
  'The e-mail address of this Google account cannot be used here.',
);
export const googleAlreadyLinked = defineError(
  'google_already_linked',
  'conflict',
  'The account with this e-mail address belongs to another Google account. Sign in to it as before.',
);
