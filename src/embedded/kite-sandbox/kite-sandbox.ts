/**
 * A stand-in for Zerodha's Kite Connect v3, for development and tests: a server on the loopback address that keeps
 * Kite's rules for logins and sessions (src/embedded/kite-sandbox/kite-api.ts), with the login page. It trades nothing
 * and knows no password.
 */
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CallBudget } from './call-budget';
import { Fault, spoilAfter, spoilBefore } from './faults';
import { Gate } from './gate';
import { ApiRequest, KiteApi } from './kite-api';
import { KiteError } from './kite-error';
import { KeptState, KiteState, SandboxApp } from './kite-state';
import { LOGIN_PATH, SandboxSite } from './sandbox-site';

const LOOPBACK = '127.0.0.1';
const LONGEST_BODY = 65_536;
const MOST_CALLS = 10_000;

export interface KiteSandboxOptions {
  /** Default: a free one. */
  port?: number;
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Of apps that name none; default: a page that shows the request token. */
  redirectUrl?: string;
  /** Ten calls a second for each API key; off for measurements. Default: on. */
  isLimited?: boolean;
  /** Of an earlier start. */
  kept?: KeptState;
  /** Hears of what a later start needs. */
  onChange?: (state: KeptState) => void;
}

export interface KiteSandbox {
  /** `KITE_API_BASE_URL`. */
  url: string;
  /** `KITE_LOGIN_URL`. */
  loginUrl: string;
  newApp(more?: { redirectUrl?: string }): Pick<SandboxApp, 'apiKey' | 'apiSecret'>;
  /** A request token, as the login page gives. */
  login(apiKey: string, userId: string): string;
  /** As 06:00 in India does: every session is over. */
  expireSessions(): void;
  sessions(): { apiKey: string; userId: string; accessToken: string; alive: boolean }[];
  /** The latest calls of the API, ten thousand at most; status 0 for those without an answer. */
  calls: { method: string; path: string; status: number }[];
  /** Moves its clock, by milliseconds. */
  advance(milliseconds: number): void;
  /** From now on, for calls of the API. */
  fault(fault: Fault): void;
  /** Calls of the API wait, untouched, until they are released. */
  hold(): { held(): number; release(): void };
  stop(): Promise<void>;
}

/** @throws Error where the port is taken. */
export async function startKiteSandbox(options: KiteSandboxOptions = {}): Promise<KiteSandbox> {
  let offset = 0;
  let fault: Fault = 'none';
  const now = (): number => (options.now ?? Date.now)() + offset;
  const gate = new Gate();
  const calls: KiteSandbox['calls'] = [];
  const server = createServer((request, reply) => {
    handle(request, reply).catch(() => reply.destroy());
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, LOOPBACK, resolve);
  });
  const url = `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`;
  const state = new KiteState(now, options.kept, options.onChange);
  const api = new KiteApi(state, new CallBudget(now, options.isLimited ?? true), now);
  const site = new SandboxSite(state, url, options.redirectUrl);

  async function handle(message: IncomingMessage, reply: ServerResponse): Promise<void> {
    const request = await read(message);
    if (!request) return send(reply, 403, {}, 'not one of my names, or too long');
    const page = api.has(request.url.pathname) ? undefined : site.answer(request);
    if (page) return send(reply, page.status, page.headers, page.body);
    const call = { method: request.method, path: request.url.pathname, status: 0 };
    if (calls.length >= MOST_CALLS) calls.splice(0, MOST_CALLS / 2);
    calls.push(call);
    reply.once('finish', () => (call.status = reply.statusCode));
    await gate.pass();
    const trouble = fault;
    if (spoilBefore(trouble, reply)) return;
    const [status, body] = answerOf(request);
    if (!spoilAfter(trouble, reply))
      send(reply, status, { 'content-type': 'application/json' }, JSON.stringify(body));
  }

  function answerOf(request: ApiRequest): [status: number, body: object] {
    try {
      if (!api.has(request.url.pathname)) throw new KiteError(404, 'GeneralException', 'Route not found');
      return [200, { status: 'success', data: api.answer(request) }];
    } catch (error) {
      if (error instanceof KiteError) return [error.status, error.body];
      throw error;
    }
  }

  return {
    url,
    loginUrl: url + LOGIN_PATH,
    newApp: ({ redirectUrl } = {}) => {
      const { apiKey, apiSecret } = site.newApp(redirectUrl);
      return { apiKey, apiSecret };
    },
    login: (apiKey, userId) => state.newRequestToken(apiKey, userId),
    expireSessions: () => state.endAll(),
    sessions: () =>
      state
        .sessions()
        .map(({ apiKey, userId, accessToken, alive }) => ({ apiKey, userId, accessToken, alive })),
    calls,
    advance: (milliseconds) => (offset += milliseconds),
    fault: (next) => (fault = next),
    hold: () => gate.shut(),
    stop: async () => {
      gate.open();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Undefined where it goes by another name than its own (a page of somebody else's, whose name was made to point here:
 * DNS rebinding), or is too long.
 */
async function read(message: IncomingMessage): Promise<ApiRequest | undefined> {
  const { method = 'GET', headers } = message;
  const name = (headers.host ?? '').replace(/:\d+$/, '');
  if (!['localhost', LOOPBACK].includes(name)) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_BODY) return undefined;
    chunks.push(chunk);
  }
  const url = new URL(message.url!.replace(/^\/+/, '/'), `http://${LOOPBACK}`);
  return { method, url, headers, body: Buffer.concat(chunks).toString('utf8') };
}

function send(reply: ServerResponse, status: number, headers: Record<string, string>, body: string): void {
  reply.writeHead(status, headers).end(body);
}
