import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner that somebody who is past the password guesses at codes. */
export const codesLockedMail = defineAccountMail<{ minutes: number }>({
  kind: 'codes_locked',
  texts: {
    en: {
      lang: 'en',
      subject: 'Wrong codes were entered for your account',
      write: ({ minutes }) => ({
        paragraphs: [
          `Too many wrong codes of an authenticator were entered for your account within ${minutes} minutes. Until they are over no code is looked at.`,
          'Whoever enters codes knows your password already, or is signed in. If this was not you, change your password at once.',
        ],
      }),
    },
  },
});
