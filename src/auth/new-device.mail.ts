import { defineAccountMail } from '../identities/account-mail';
import { localTime } from '../identities/local-time';

interface SignInSeen {
  /** RFC 3339. */
  at: string;
  ip: string;
  user_agent: string | null;
}

/** Tells the owner of a sign-in from a device that is new. */
export const newDeviceMail = defineAccountMail<SignInSeen>({
  kind: 'new_device',
  texts: {
    en: {
      lang: 'en',
      subject: 'New sign-in to your account',
      write: ({ at, ip, user_agent }, user) => ({
        paragraphs: [
          `Your account was used from a device we have not seen before.\n\nTime: ${localTime(at, user)}\nAddress: ${ip}\nDevice: ${user_agent ?? 'unknown'}`,
          'If this was you, there is nothing to do. If not, reset your password now: that ends every session.',
        ],
      }),
    },
  },
});
