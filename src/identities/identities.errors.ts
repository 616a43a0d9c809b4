import { defineError } from '../common/app-error';

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
