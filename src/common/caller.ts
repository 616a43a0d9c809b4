/**
 * Who asks, and from where: all that the core may know of a request. Every door builds one; services authorise and
 * rate-limit with it in their first lines, so that no door can forget to.
 */
export interface Caller {
  /** Correlates replies, logs and events. */
  readonly requestId: string;
  /** Client address as the trusted proxies tell it. */
  readonly ip: string;
  readonly userAgent: string | null;
  readonly userId?: string;
  readonly sessionId?: string;
  /** The API key that stands for the caller, where there is no session. */
  readonly apiKeyId?: string;
  /**
   * What the caller holds at this moment, as the door found it when the call asked for a permission; empty for calls
   * that ask for none.
   */
  readonly permissions: ReadonlySet<string>;
  /** The permission that the call asked for at the door. Whoever changes something asks again whether it still is held. */
  readonly admittedWith?: string;
  /** The most that the caller's API key allows, whatever its owner holds. Absent: no such limit. */
  readonly keyPermissions?: ReadonlySet<string>;
  /** When the caller's API key ends. Absent: it does not, or there is none. */
  readonly keyExpiresAt?: Date;
  /** Who acts where nobody is signed in; `system` for the service itself. */
  readonly actor?: string;
}

/** A caller who has proved who he is: by a session, or by an API key. */
export interface IdentifiedCaller extends Caller {
  readonly userId: string;
}

/** A caller with a session: a person who has signed in. */
export interface AuthenticatedCaller extends IdentifiedCaller {
  readonly sessionId: string;
}

/** The service itself: jobs, start-up, the command line. */
export function systemCaller(requestId: string): Caller {
  return { requestId, ip: '127.0.0.1', userAgent: null, permissions: new Set(), actor: 'system' };
}
