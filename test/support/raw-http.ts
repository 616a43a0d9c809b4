import { connect } from 'node:net';

/** What came back over the wire. */
export interface RawReply {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** Until the reply was complete. */
  milliseconds: number;
}

/** The bytes of a request. The connection ends with the reply. */
export function rawRequest(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body: string | Buffer = '',
): Buffer {
  const bytes = Buffer.from(body);
  const all = {
    Host: 'id.test',
    Connection: 'close',
    ...(bytes.length > 0 && { 'Content-Length': String(bytes.length) }),
    ...headers,
  };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n`, 'latin1'), bytes]);
}

/**
 * Writes bytes, whatever they are, to the server's socket and reads the reply. No client library comes between, which
 * would refuse or repair them. @throws Error when the server hangs up without a reply, or takes longer than 5 s.
 */
export function exchange(url: string, bytes: string | Buffer): Promise<RawReply> {
  const { hostname, port } = new URL(url);
  const begin = performance.now();
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = '';
    const done = (why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      const reply = parse(received, true);
      if (reply) resolve({ ...reply, milliseconds: performance.now() - begin });
      else reject(new Error(`${why} after ${JSON.stringify(received.slice(0, 200))}`));
    };
    const timer = setTimeout(() => done('no reply in 5 s'), 5_000);
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      received += chunk;
      if (parse(received)) done('');
    });
    // The server may hang up before it has read everything.
    socket.on('error', (error) => done(error.message));
    socket.on('close', () => done('the server hung up'));
    socket.write(bytes);
  });
}

/** Null as long as it is not complete. @param isAll nothing more will come: the reply to HEAD has no body. */
function parse(text: string, isAll = false): Omit<RawReply, 'milliseconds'> | null {
  const [, status, head, body] = /^HTTP\/1\.1 (\d{3}) .*?\r\n([^]*?)\r\n\r\n([^]*)$/.exec(text) ?? [];
  if (status === undefined) return null;
  const headers = Object.fromEntries(
    head!.split('\r\n').map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  if (!isAll && Buffer.byteLength(body!) < Number(headers['content-length'] ?? 0)) return null;
  return { status: Number(status), headers, body: body! };
}
