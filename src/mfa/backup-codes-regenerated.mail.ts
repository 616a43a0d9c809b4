import { defineAccountMail } from '../identities/account-mail';

/** Tells the owner that there are new backup codes. */
export const backupCodesRegeneratedMail = defineAccountMail({
  kind: 'backup_codes_regenerated',
  texts: {
    en: {
      lang: 'en',
      subject: 'Your account has new backup codes',
      write: () => ({
        paragraphs: [
          'New backup codes were made for your account just now. The old ones no longer work: throw them away.',
          'If this was not you, somebody else has a code of yours: reset your password, and tell us.',
        ],
      }),
    },
  },
});
