import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner that a backup code was used, and how many are left. */
export const backupCodeUsedMail = defineAccountMail<{ remaining: number }>({
  kind: 'backup_code_used',
  texts: {
    en: {
      lang: 'en',
      subject: 'A backup code of your account was used',
      write: ({ remaining }) => ({
        paragraphs: [
          `A backup code was used in place of your authenticator just now. Codes left: ${remaining}.`,
          'If this was you, cross the code out, and make new ones before none is left. If not, change your password at once: that ends the sessions of whoever else knew it.',
        ],
      }),
    },
  },
});
