import { defineError } from '../common/app-error';

export const emailTaken = defineError(
  'email_taken',
  'conflict',
  'This e-mail address belongs to another account.',
);
