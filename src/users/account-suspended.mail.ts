import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner; the administrator's reason is for the audit log. */
export const accountSuspendedMail = defineAccountMail({
  kind: 'account_suspended',
  texts: {
    en: {
      lang: 'en',
      subject: 'Your account was suspended',
      write: () => ({
        paragraphs: [
          'An administrator has suspended your account. You were signed out everywhere, and nobody can sign in to it until it is opened again.',
          'If you think that this is a mistake, tell us.',
        ],
      }),
    },
  },
});
