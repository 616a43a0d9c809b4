/** How patient the sender is. Milliseconds, where nothing else is said. */
export interface MailTiming {
  /** Mails in hand at once, in one process. */
  concurrency: number;
  /** Between looks at an idle outbox. */
  poll: number;
  /** For one try: to compose the mail and to hand it over. */
  attempt: number;
  /** After which another process may take over a mail. Longer than `attempt`, or mails are sent twice. */
  lease: number;
  /** Wait after the first failure; it doubles with each further one. */
  firstRetry: number;
  longestRetry: number;
  /** Age at which a mail that still fails is given up. */
  giveUp: number;
  /** That the mails in hand get to finish when the process stops. */
  drain: number;
}

/** Injection token of the `MailTiming`. */
export const MAIL_TIMING = Symbol('mail timing');

export const mailTiming: MailTiming = {
  concurrency: 5,
  poll: 1000,
  attempt: 30_000,
  lease: 60_000,
  firstRetry: 10_000,
  longestRetry: 3_600_000,
  giveUp: 24 * 3_600_000,
  drain: 5_000,
};

/** The wait after the n-th failure: exponential, up to a quarter less at random, so that retries don't march in step. */
export function retryDelay(attempts: number, timing: MailTiming): number {
  const wait = Math.min(timing.firstRetry * 2 ** (attempts - 1), timing.longestRetry);
  return Math.round(wait * (1 - Math.random() / 4));
}
