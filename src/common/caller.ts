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
  readonly permissions: ReadonlySet<string>;
  /** Who acts where nobody is signed in; `system` for the service itself. */
  readonly actor?: string;
}

/** A caller who has proved who he is. */
export interface AuthenticatedCaller extends Caller {
  readonly userId: string;
  readonly sessionId: string;
}

/** The service itself: jobs, start-up, the command line. */
export function systemCaller(requestId: string): Caller {
  return { requestId, ip: '127.0.0.1', userAgent: null, permissions: new Set(), actor: 'system' };
}
