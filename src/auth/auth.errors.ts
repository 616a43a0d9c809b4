import { defineError } from '../common/app-error';

export const invalidCredentials = defineError(
  'invalid_credentials',
  'unauthenticated',
  'The e-mail address or the password is wrong.',
);
export const accountSuspended = defineError('account_suspended', 'forbidden', 'This account is suspended.');
export const accountDeactivated = defineError(
  'account_deactivated',
  'forbidden',
  'This account is deactivated.',
);
export const emailNotVerified = defineError(
  'email_not_verified',
  'forbidden',
  'Verify your e-mail address first: use the link we have sent.',
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
