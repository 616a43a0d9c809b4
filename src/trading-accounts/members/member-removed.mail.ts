import { defineAccountMail } from '../../identities/account-mail';
import { accountWords } from './mail-words';

interface Removal {
  nickname: string | null;
  broker: string;
}

/** Tells somebody that an account is no longer shared with them. */
export const memberRemovedMail = defineAccountMail<Removal>({
  kind: 'trading_account_member_removed',
  texts: {
    en: {
      lang: 'en',
      subject: 'A trading account is no longer shared with you',
      write: (removal) => ({
        paragraphs: [
          `You have no access any more to ${accountWords(removal)}. What you had given others of it has ended too.`,
          'If this is a surprise, ask whoever owns the account.',
        ],
      }),
    },
  },
});
