import { defineAccountMail } from '../identities/account-mail';

interface Claim {
  /** Somebody had chosen a password, and may have written more. */
  was_set_up: boolean;
}

/** Tells the owner of an address that the account somebody made with it is theirs now. */
export const accountClaimedMail = defineAccountMail<Claim>({
  kind: 'account_claimed',
  texts: {
    en: {
      lang: 'en',
      subject: 'Your account was confirmed with Google',
      write: ({ was_set_up }) => ({
        paragraphs: [
          'An account with this e-mail address was waiting to be confirmed. You, or somebody with your Google account, confirmed it just now by signing in with Google.',
          `${was_set_up ? 'Whatever was set up before is gone, the password included. ' : ''}Sign in with Google, or choose a password with “Reset password”.`,
        ],
      }),
    },
  },
});
