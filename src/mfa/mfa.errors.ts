import { defineError } from '../common/app-error';

export const invalidMfaCode = defineError(
  'invalid_mfa_code',
  'unauthenticated',
  'The code is wrong, too old, or was used before.',
);
export const mfaAlreadyEnabled = defineError(
  'mfa_already_enabled',
  'conflict',
  'The second factor is on already. Turn it off first to use another authenticator.',
);
export const mfaNotEnabled = defineError('mfa_not_enabled', 'conflict', 'The account has no second factor.');
export const mfaSetupRequired = defineError(
  'mfa_setup_required',
  'conflict',
  'There is no secret to confirm, or it is too old. Set the authenticator up again.',
);
export const secondFactorDamaged = defineError(
  'second_factor_damaged',
  'conflict',
  'What is stored of the second factor is not what was stored. Ask an administrator to reset it.',
);
export const verificationRequired = defineError(
  'verification_required',
  'forbidden',
  'Prove that it is you: `methods` says how.',
  { methods: ['totp', 'backup_code'] },
);
