import type { IncomingMessage } from 'node:http';
import { notAuthenticated } from '../../common/common.errors';

const BEARER = /^Bearer +([\w.~+/-]+=*)$/i;
const NAME = 'authorization';

/**
 * The token of `Authorization: Bearer`, the only place an access token is read from (RFC 6750 section 2.1).
 * @throws not_authenticated also where the header is there twice: a gateway might have read the other one.
 */
export function bearerToken({ headers, rawHeaders }: IncomingMessage): string {
  const token = BEARER.exec(headers.authorization ?? '')?.[1];
  if (token === undefined || timesSent(rawHeaders) > 1) throw notAuthenticated();
  return token;
}

/** Looks at names alone: Node's `headersDistinct` would make a list of every header. */
function timesSent(namesAndValues: readonly string[]): number {
  let times = 0;
  for (let i = 0; i < namesAndValues.length; i += 2) {
    const name = namesAndValues[i]!;
    if (name.length === NAME.length && name.toLowerCase() === NAME) times++;
  }
  return times;
}
