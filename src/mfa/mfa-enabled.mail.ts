import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner that sign-ins need a second factor from now on. */
export const mfaEnabledMail = defineAccountMail({
  kind: 'mfa_enabled',
  texts: {
    en: {
      lang: 'en',
      subject: 'Your account has a second factor',
      write: () => ({
        paragraphs: [
          'From now on a sign-in needs a code of the authenticator that was set up just now, or a backup code. Everywhere else you were signed out.',
          'If this was not you, tell us at once: somebody else is in your account.',
        ],
      }),
    },
  },
});
