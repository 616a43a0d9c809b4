import type { Caller } from '../../common/caller';
import type { HttpRequest } from '../../infra/http/http-request';
import { clientAddress } from './client-address';

const MAX_USER_AGENT = 255;
const NOBODY: ReadonlySet<string> = new Set();

/** What is known of a request before anybody has proved anything. */
export function anonymousCaller(
  request: HttpRequest,
): Pick<Caller, 'requestId' | 'ip' | 'userAgent' | 'permissions'> {
  const userAgent = request.headers['user-agent'];
  return {
    requestId: request.id,
    ip: clientAddress(request),
    userAgent: userAgent === undefined ? null : userAgent.slice(0, MAX_USER_AGENT),
    permissions: NOBODY,
  };
}
