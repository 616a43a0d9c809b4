import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner of an address that somebody tried to sign up with it. */
export const accountExistsMail = defineAccountMail({
  kind: 'account_exists',
  texts: {
    en: {
      lang: 'en',
      subject: 'You already have an account',
      write: () => ({
        paragraphs: [
          'Somebody, probably you, tried to sign up with this address. It has an account already: sign in, or reset your password if you forgot it.',
          'If it was not you, there is nothing to do. Nothing was changed.',
        ],
      }),
    },
  },
});
