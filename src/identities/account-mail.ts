import type { MailContent } from '../infra/mail/mail-layout';
import type { User } from './user.entity';

/** A mail in one language. */
export interface AccountMailText<P> {
  /** BCP 47. */
  lang: string;
  subject: string;
  /** What it says, at the time of sending. */
  write(payload: P, user: User): Omit<MailContent, 'lang' | 'heading'>;
}

/** A mail that tells the owner of an account what has happened to it. `P` is what it needs to know, as JSON. */
export interface AccountMail<P extends object = object> {
  kind: string;
  /** By language; English is what everybody else gets. */
  texts: Record<string, AccountMailText<P>> & { en: AccountMailText<P> };
  /** Sent to the owner of an account that is deleted, too. */
  evenDeleted?: boolean;
}

const defined: AccountMail[] = [];

/** Declares a mail; `AccountMails` sends it. A feature declares each of its mails once, in a file `<name>.mail.ts`. */
export function defineAccountMail<P extends object = Record<string, never>>(
  mail: AccountMail<P>,
): AccountMail<P> {
  defined.push(mail);
  return mail;
}

export const definedAccountMails = (): readonly AccountMail[] => defined;
