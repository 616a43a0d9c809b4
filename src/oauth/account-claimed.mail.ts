import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner of an address that the account somebody made with it is theirs now. */
export const accountClaimedMail = defineAccountMail({
  kind: 'account_claimed',
  texts: {
    en: {
      lang: 'en',
      subject: 'Your account was confirmed with Google',
      write: () => ({
        paragraphs: [
          'An account with this e-mail address was waiting to be confirmed. You, or somebody with your Google account, confirmed it just now by signing in with Google.',
          'Whatever was set up before is gone, the password included. Sign in with Google, or choose a password with “Reset password”.',
        ],
      }),
    },
  },
});
