/** The app at a broker through which somebody trades. */
export interface BrokerApp {
  apiKey: string;
  apiSecret: string;
}

/** A login at a broker, as the calls to it are authorised. */
export interface BrokerLogin {
  apiKey: string;
  accessToken: string;
}

export interface BrokerIdentity {
  /** As the broker names its user. */
  brokerUserId: string;
}

export interface BrokerSession extends BrokerIdentity {
  accessToken: string;
}

/**
 * A broker whose accounts can be linked. Adapters are folders beside this file, named in `broker-adapters.ts`; whoever
 * calls one knows no more than this. Every call ends by a deadline of its own and throws `BrokerFailure`; none is made
 * inside a transaction.
 */
export interface Broker {
  /** As in the API, for example `kite`. */
  readonly name: string;
  /** Milliseconds after which every call here has ended, with its retries, whatever came of it. */
  readonly longestCallMs: number;
  /**
   * Where the owner logs in; the broker then sends the browser, with a request token, to the app's registered URL.
   * @param returned comes back with it as query parameters.
   */
  loginUrl(apiKey: string, returned: Record<string, string>): string;
  /**
   * Exchanges a request token for a session: the only proof of who it is and that the secret is right. Tried once: a
   * request token is good once, and what became of a lost call nobody knows.
   */
  exchange(app: BrokerApp, requestToken: string): Promise<BrokerSession>;
  /** Whose session it is, and whether it lives. */
  profile(login: BrokerLogin): Promise<BrokerIdentity>;
  /** Ends a session; one that is over already is no failure. */
  logout(login: BrokerLogin): Promise<void>;
  /** When a session that begins at this moment ends by itself. */
  sessionEnd(from: Date): Date;
}

/**
 * `session_over`: the login or the request token is over, used, or not good. `refused`: the app or its secret is wrong,
 * or the user is not enabled for it. `unavailable`: no answer in time, too many calls, or trouble there: try again.
 * `bad_answer`: it answered what cannot be understood.
 */
export type BrokerFailureKind = 'session_over' | 'refused' | 'unavailable' | 'bad_answer';

export interface BrokerFailureDetails {
  cause?: unknown;
  /** Seconds, where the broker named them. */
  retryAfter?: number;
  /**
   * Why it is `unavailable`, where the broker is not to blame. `limited`: it answers no more calls of this app for now.
   * `declined`: it answers, but not this. `left_alone`: it fails, and was not asked.
   */
  because?: 'limited' | 'declined' | 'left_alone';
}

/** Why a call to a broker failed. Its message and cause hold nothing secret. */
export class BrokerFailure extends Error {
  constructor(
    readonly kind: BrokerFailureKind,
    message: string,
    readonly details: BrokerFailureDetails = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'BrokerFailure';
  }

  /** Whether the broker may have done what it was asked for. */
  get isOutcomeUnknown(): boolean {
    const { because } = this.details;
    if (this.kind === 'unavailable') return because !== 'limited' && because !== 'left_alone';
    return this.kind === 'bad_answer';
  }
}
