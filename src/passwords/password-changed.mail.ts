import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner that the password is another one now. */
export const passwordChangedMail = defineAccountMail({
  kind: 'password_changed',
  texts: {
    en: {
      lang: 'en',
      subject: 'Your password was changed',
      write: () => ({
        paragraphs: [
          'The password of your account was changed just now.',
          'If this was you, there is nothing to do. If not, reset your password at once and tell us: somebody else knew it.',
        ],
      }),
    },
  },
});
