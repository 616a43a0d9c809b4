import type { IncomingMessage } from 'node:http';
import { newId } from '../../common/ids';

const ACCEPTED = /^[\w.:/+=@-]{1,128}$/;

/** The caller's X-Request-ID where it is harmless in logs and headers, else a new id. */
export function requestId(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && ACCEPTED.test(given) ? given : newId();
}
