import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner that the account is gone: the last mail it gets. */
export const accountDeletedMail = defineAccountMail({
  kind: 'account_deleted',
  evenDeleted: true,
  texts: {
    en: {
      lang: 'en',
      subject: 'Your account was deleted',
      write: () => ({
        paragraphs: [
          'Your account was deleted just now, and nobody can sign in to it any more. Your profile will be erased in 30 days; our security log keeps what was done with the account, and from which network addresses and browsers.',
          'If it was not you who asked for this, tell us before then.',
        ],
      }),
    },
  },
});
