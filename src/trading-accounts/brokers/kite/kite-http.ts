import { BrokerFailure } from '../broker';
import { readBounded, TooLong } from '../read-bounded';

const LONGEST_ANSWER = 65_536;

export interface KiteRequest {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  headers?: Record<string, string>;
  query?: Record<string, string>;
  form?: Record<string, string>;
}

/** What came back, whatever it says. */
export interface KiteReply {
  status: number;
  /** Seconds; undefined where it names none. */
  retryAfter?: number;
  text: string;
}

/**
 * One request and its whole answer.
 * @throws BrokerFailure which never holds the error below: that knows the URL, which has a token in it.
 */
export async function sendToKite(
  baseUrl: string,
  { method, path, headers, query, form }: KiteRequest,
  signal: AbortSignal,
): Promise<KiteReply> {
  const search = query ? `?${new URLSearchParams(query).toString()}` : '';
  try {
    const reply = await fetch(baseUrl + path + search, {
      method,
      // A connection for each call: an exchange must not be lost because an idle one was just closed.
      headers: { 'X-Kite-Version': '3', Accept: 'application/json', Connection: 'close', ...headers },
      body: form && new URLSearchParams(form),
      // Followed, it would take the credentials elsewhere.
      redirect: 'manual',
      signal,
    });
    const retryAfter = /^\d{1,5}$/.exec(reply.headers.get('retry-after') ?? '')?.[0];
    return {
      status: reply.status,
      retryAfter: retryAfter === undefined ? undefined : Number(retryAfter),
      text: await readBounded(reply, LONGEST_ANSWER),
    };
  } catch (error) {
    if (error instanceof TooLong) throw new BrokerFailure('bad_answer', `kite: an answer ${error.message}`);
    throw new BrokerFailure('unavailable', `kite: no whole answer (${nameOf(error)})`);
  }
}

/** The code or the name of what went wrong: all that is safe to tell. */
function nameOf(error: unknown): string {
  for (const one of [(error as { cause?: unknown } | undefined)?.cause, error]) {
    const { code, name } = (one ?? {}) as { code?: unknown; name?: unknown };
    for (const text of [code, name])
      if (typeof text === 'string' && /^\w{1,40}$/.test(text) && text !== 'Error') return text;
  }
  return 'unknown';
}
