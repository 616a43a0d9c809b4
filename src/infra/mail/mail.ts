import { EntityManager } from 'typeorm';

/** A mail, ready to send. */
export interface MailMessage {
  to: string;
  subject: string;
  text: string;
  html: string;
}

/** Where mail goes: a mail server, or the development mailbox. */
export interface MailTransport {
  /** @throws Error when the mail was not taken; it is tried again later. */
  send(message: MailMessage): Promise<void>;
  close(): Promise<void>;
}

export const MAIL_TRANSPORT = Symbol('mail transport');

export interface MailJob {
  id: string;
  kind: string;
  payload: Record<string, unknown>;
  createdAt: Date;
}

/** Writes the mail of a job, at the time of sending; null where there is nobody to write to any more. */
export type MailComposer = (job: MailJob) => Promise<MailMessage | null>;

/** @see MailOutbox.enqueue */
export type EnqueueMail = (
  tx: EntityManager,
  kind: string,
  payload: Record<string, unknown>,
) => Promise<void>;
