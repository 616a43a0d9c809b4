/** A mail, ready to send. */
export interface MailMessage {
  /** One plain address, `local@domain`. */
  to: string;
  subject: string;
  text: string;
  html: string;
}

export interface Delivery {
  /** The same for every try of a mail, so that a receiver can tell a repeated one. */
  id: string;
  /** Fires when the try has taken too long or the process stops; the transport gives up at once. */
  signal: AbortSignal;
}

/** Where mail goes: a mail server, or the development mailbox. */
export interface MailTransport {
  /** @throws Error when the mail was not taken; it is tried again later. */
  send(message: MailMessage, delivery: Delivery): Promise<void>;
  close(): Promise<void>;
}

/** Injection token of the `MailTransport`. */
export const MAIL_TRANSPORT = Symbol('mail transport');

export interface MailJob {
  /** Stable over retries: what a composer derives from it (a one-time token) comes out the same each time. */
  id: string;
  kind: string;
  payload: Record<string, unknown>;
  createdAt: Date;
}

/** Writes the mail of a job, at the time of sending; null where there is nobody to write to any more. */
export type MailComposer = (job: MailJob) => Promise<MailMessage | null>;
