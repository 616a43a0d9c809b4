import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner of a suspended account that it is open again. */
export const accountReactivatedMail = defineAccountMail({
  kind: 'account_reactivated',
  texts: {
    en: {
      lang: 'en',
      subject: 'Your account is open again',
      write: () => ({
        paragraphs: ['An administrator has opened your account again. You can sign in as before.'],
      }),
    },
  },
});
