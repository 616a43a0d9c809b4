import { defineAccountMail } from '../../identities/account-mail';
import { localTime } from '../../identities/local-time';
import { accountWords, mailWords } from './mail-words';
import { AccountPermission } from '../trading-account';

interface Addition {
  inviter: string;
  /** For whoever erases what names them. */
  inviter_id: string;
  nickname: string | null;
  broker: string;
  permissions: AccountPermission[];
  /** RFC 3339. */
  expires_at: string | null;
}

const MAY: Record<AccountPermission, string> = {
  view: 'see it',
  trade: 'trade with it',
  manage: 'rename it and share it with others',
};

/** Tells somebody that an account is shared with them. */
export const memberAddedMail = defineAccountMail<Addition>({
  kind: 'trading_account_member_added',
  texts: {
    en: {
      lang: 'en',
      subject: 'A trading account is shared with you',
      write: ({ inviter, permissions, expires_at, ...account }, user) => ({
        paragraphs: [
          `${mailWords(inviter)} shares ${accountWords(account)} with you. You may ${permissions.map((name) => MAY[name]).join(', ')}.`,
          expires_at === null
            ? 'It lasts until it is revoked.'
            : `It ends on ${localTime(expires_at, user)}.`,
          'If you do not want this, remove yourself from the account.',
        ],
      }),
    },
  },
});
