import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const ACCEPTED = /^[\w.:/+=@-]{1,128}$/;

/** The caller's X-Request-ID where it is harmless in logs and headers, else a new id. */
export function requestId(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && ACCEPTED.test(given) ? given : ownId();
}

/**
 * A UUIDv7 whose last 74 bits are those of a UUIDv4: Node draws random bits for many of those at once, and asking the
 * system for some each time was the dearest part of an id. It does not count up within a millisecond, as rows' ids do.
 */
function ownId(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
