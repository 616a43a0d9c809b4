import * as http from 'node:http';
import * as https from 'node:https';
import { LookupFunction } from 'node:net';

/** Of an answer; the rest, like all of it, is of no interest. */
const MOST_BODY_BYTES = 64 * 1024;

export interface Post {
  headers: Record<string, string>;
  body: Buffer;
  /** Answers with addresses that were checked; not asked where the host is an address. */
  lookup: LookupFunction;
  /** Ends the request, wherever it is. */
  signal: AbortSignal;
  /** Whom to believe instead of the well-known authorities: for tests, the service names nobody. */
  ca?: string;
}

export interface Answer {
  status: number;
  retryAfter?: string;
}

/**
 * One POST on a connection of its own: nothing is shared with another receiver, no proxy of the environment is asked,
 * certificates are verified whatever the environment says, and no redirect is followed.
 * @throws Error of the network, of TLS or of the HTTP parser; the signal's reason
 */
export function post(url: URL, { headers, body, lookup, signal, ca }: Post): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const isSecure = url.protocol === 'https:';
    const agent = isSecure ? new https.Agent({ keepAlive: false }) : new http.Agent({ keepAlive: false });
    const request = (isSecure ? https : http).request(url, {
      method: 'POST',
      agent,
      lookup,
      headers: { ...headers, 'Content-Length': body.length },
      ...(isSecure && { rejectUnauthorized: true, minVersion: 'TLSv1.2', ca }),
    } as https.RequestOptions);
    const end = (settle: () => void): void => {
      signal.removeEventListener('abort', abort);
      settle();
      request.destroy();
    };
    const fail = (error: Error): void => end(() => reject(error));
    const abort = (): void => fail(signal.reason as Error);
    request.on('error', fail);
    request.on('upgrade', ({ statusCode }, socket) => {
      socket.destroy();
      end(() => resolve({ status: statusCode! }));
    });
    request.on('response', (response) => {
      const answer = { status: response.statusCode!, retryAfter: response.headers['retry-after'] };
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST_BODY_BYTES) end(() => resolve(answer));
      });
      response.on('end', () => end(() => resolve(answer)));
      response.on('error', fail);
    });
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) return abort();
    request.end(body);
  });
}
