import { defineError } from '../common/app-error';

export const passwordPolicy = defineError('password_policy', 'invalid', 'The password breaks the rules.');
export const hashingBusy = defineError(
  'hashing_busy',
  'unavailable',
  'Too many sign-ins at this moment. Try again in a few seconds.',
);
export const invalidCurrentPassword = defineError(
  'invalid_current_password',
  'forbidden',
  'The current password is wrong.',
);
export const invalidResetToken = defineError(
  'invalid_reset_token',
  'malformed',
  'This link is not valid, was used, or is too old. Ask for a new one.',
);
