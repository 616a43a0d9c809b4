import { defineError } from '../common/app-error';

export const invalidCredentials = defineError(
  'invalid_credentials',
  'unauthenticated',
  'The e-mail address or the password is wrong.',
);
export const invalidMfaToken = defineError(
  'invalid_mfa_token',
  'unauthenticated',
  'This sign-in is over, or has no tries left. Begin again.',
);
export const originNotAllowed = defineError(
  'origin_not_allowed',
  'forbidden',
  'Cookies are not accepted from this origin.',
);
export const invalidVerificationToken = defineError(
  'invalid_verification_token',
  'malformed',
  'This link is not valid, was used, or is too old. Ask for a new one.',
);
