import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner that a Google account opens the account from now on. */
export const googleLinkedMail = defineAccountMail({
  kind: 'google_linked',
  texts: {
    en: {
      lang: 'en',
      subject: 'Your account can be opened with Google',
      write: () => ({
        paragraphs: [
          'Somebody, probably you, has signed in with the Google account of this e-mail address. It opens your account here from now on.',
          'If this was not you, secure your Google account first, then reset your password here and tell us.',
        ],
      }),
    },
  },
});
