import { defineAccountMail } from '../identities/account-mail';

interface Removal {
  /** Who did it: the owner, or an administrator for somebody who lost the authenticator. */
  reason: 'disabled' | 'reset';
}

const HOW: Record<Removal['reason'], string> = {
  disabled: 'The second factor of your account was turned off just now.',
  reset: 'An administrator has taken the second factor off your account, and signed you out everywhere.',
};

/** Tells the owner that a password alone opens the account again. */
export const mfaDisabledMail = defineAccountMail<Removal>({
  kind: 'mfa_disabled',
  texts: {
    en: {
      lang: 'en',
      subject: 'Your account no longer has a second factor',
      write: ({ reason }) => ({
        paragraphs: [
          `${HOW[reason]} A sign-in needs no code any more, and your backup codes no longer work.`,
          'If you did not ask for this, reset your password at once and tell us.',
        ],
      }),
    },
  },
});
