import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** What a stand-in answers, whole. */
export interface Reply {
  status: number;
  /** Sent as JSON; a text as it is; without one there is no body. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** Trouble on the way, of any server; what only one provider has is added by its stand-in. */
export type Trouble = 'slow' | 'hang' | 'disconnect' | 'rubbish' | 'empty' | 'html' | 'endless' | 'redirect';

export const SLOW_MS = 300;

/** An HTTP server of a test, which can be made to fail. */
export interface FaultyServer<Fault extends string> {
  url: string;
  /** From now on, or for so many requests; of all, or of those whose name fits. */
  fail(fault: Fault | Trouble, requests?: number, only?: RegExp): void;
  heal(): void;
  /** What was asked, oldest first. */
  asked: string[];
  /** Nothing listens any more, until it is started again. */
  down(): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * @param answer what a healthy server says, or undefined where only what it was asked counts.
 * @param faultOf what it says in a trouble of its own.
 */
export async function startFaultyServer<Fault extends string>(
  name: (request: IncomingMessage) => string,
  answer: (request: IncomingMessage, body: Buffer) => Reply,
  faultOf: (fault: Fault) => Reply,
): Promise<FaultyServer<Fault>> {
  const asked: string[] = [];
  let fault: Fault | Trouble | undefined;
  let left = 0;
  let those = /./;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request);
    const question = name(request);
    asked.push(question);
    const fails = left > 0 && those.test(question);
    if (fails) left--;
    const now = fails ? fault : undefined;
    if (now === 'hang') return;
    if (now === 'disconnect') return void request.socket.destroy();
    if (now === 'endless') return pour(response);
    if (now === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    send(response, now === undefined || now === 'slow' ? answer(request, body) : trouble(now));
  };
  const trouble = (now: Fault | Exclude<Trouble, 'slow' | 'hang' | 'disconnect' | 'endless'>): Reply => {
    if (now === 'rubbish') return { status: 200, body: '{"half' };
    if (now === 'empty') return { status: 200, body: {} };
    if (now === 'html') return { status: 502, body: '<html>Bad gateway</html>', headers: HTML };
    if (now === 'redirect') return { status: 307, headers: { location: `${server.url}/elsewhere` } };
    return faultOf(now);
  };
  const http = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve) => http.listen(port, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      http.close(() => resolve());
      http.closeAllConnections();
    });
  await listen(0);
  const { port } = http.address() as AddressInfo;
  const server: FaultyServer<Fault> = {
    url: `http://127.0.0.1:${port}`,
    asked,
    fail: (next, requests = Infinity, only = /./) => {
      fault = next;
      left = requests;
      those = only;
    },
    heal: () => {
      left = 0;
    },
    down: close,
    up: () => listen(port),
    stop: close,
  };
  return server;
}

const HTML = { 'content-type': 'text/html' };

function send(response: ServerResponse, { status, body, headers }: Reply): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
}

/** Until whoever asked has had enough. */
function pour(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(`"${'x'.repeat(65_536)}",`), 2);
  response.on('close', () => clearInterval(timer));
}
