import { defineAccountMail } from '../../identities/account-mail';
import { accountWords } from '../members/mail-words';

/** For owners who have asked to be reminded of the daily login. Where to log in is at the foot of every mail. */
export const sessionExpiredMail = defineAccountMail<{ nickname: string | null; broker: string }>({
  kind: 'session_expired',
  texts: {
    en: {
      lang: 'en',
      subject: 'Log in to your broker again',
      write: (account) => ({
        paragraphs: [
          `The session of ${accountWords(account)} is over. Nothing can be traded with it until you log in again.`,
          'Brokers end sessions every morning, so this is no reason for concern.',
        ],
      }),
    },
  },
});
