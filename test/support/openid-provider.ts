import { generateKeyPairSync, KeyObject, randomBytes } from 'node:crypto';
import { createServer, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Configuration, default as Provider } from 'oidc-provider';
import { Browser } from './browser';

/** What the provider says of a person; tests put in what a person's provider must not say, too. */
export type Claims = Record<string, unknown>;

interface TokenReply {
  id_token: string;
  access_token: string;
}

/** A real OpenID provider with login and consent pages, in Google's place. */
export interface OpenIdProvider {
  issuer: string;
  clientId: string;
  clientSecret: string;
  /** Somebody with an account at the provider. */
  addPerson(claims: Claims & { sub: string }): void;
  /**
   * What a person does in a browser: opens the address, signs in, consents.
   * @returns the address that the provider sends the browser back to.
   */
  signIn(authorizationUrl: string, sub: string): Promise<URL>;
  /** As `signIn`, for somebody who presses "Cancel". */
  cancel(authorizationUrl: string): Promise<URL>;
  /** Connections are taken, and nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** Answers to these paths instead of the provider, until `thaw`. */
  answer(path: string, status: number, body: string, type?: string): void;
  /** Changes what the token endpoint answers. */
  onToken(change: (reply: TokenReply) => Promise<TokenReply> | TokenReply): void;
  /** Requests so far, `METHOD /path`. */
  requests: string[];
  /** Codes, tokens and the client secret: whatever must be found in no log. */
  secrets: string[];
  /** Signs ID tokens; `kid` is the one published. */
  signingKey: { privateKey: KeyObject; kid: string };
  stop(): Promise<void>;
}

export async function startOpenIdProvider(redirectUris: string[]): Promise<OpenIdProvider> {
  const world = {
    people: new Map<string, Claims>(),
    canned: new Map<string, (reply: ServerResponse) => void>(),
    frozen: false,
    change: undefined as ((reply: TokenReply) => Promise<TokenReply> | TokenReply) | undefined,
    requests: [] as string[],
    secrets: [] as string[],
  };
  let handle: (request: IncomingMessage, reply: ServerResponse) => unknown = () => undefined;
  const server = createServer((request, reply) => {
    const path = request.url!.split('?')[0]!;
    world.requests.push(`${request.method} ${path}`);
    if (world.frozen) return;
    const canned = world.canned.get(path);
    if (canned) canned(reply);
    else void handle(request, reply);
  });
  const issuer = await listen(server);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kid = 'published';
  const clientId = 'user-service.apps.test';
  const clientSecret = randomBytes(24).toString('base64url');
  world.secrets.push(clientSecret);
  const provider = await makeProvider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: redirectUris,
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] },
    pkce: { required: () => true },
    // As Google does: the claims are in the ID token.
    conformIdTokenClaims: false,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ ...world.people.get(sub), sub }) }),
    cookies: { keys: [randomBytes(16).toString('hex')] },
  });
  provider.use(async (context, next) => {
    await next();
    if (context.path !== '/token' || context.status !== 200) return;
    const reply = context.body as TokenReply;
    const changed = world.change ? await world.change(reply) : reply;
    world.secrets.push(reply.id_token, reply.access_token, changed.id_token);
    context.body = changed;
  });
  handle = provider.callback();

  const visit = async (
    authorizationUrl: string,
    decide: (browser: Browser) => Promise<URL>,
  ): Promise<URL> => {
    const browser = new Browser(issuer);
    await browser.open(authorizationUrl);
    const back = await decide(browser);
    const code = back.searchParams.get('code');
    if (code) world.secrets.push(code);
    return back;
  };
  return {
    issuer,
    clientId,
    clientSecret,
    requests: world.requests,
    secrets: world.secrets,
    signingKey: { privateKey, kid },
    addPerson: (claims) => world.people.set(claims.sub, claims),
    signIn: (url, sub) =>
      visit(url, async (browser) => {
        await browser.submit({ prompt: 'login', login: sub, password: 'anything' });
        return browser.leaveWith({ prompt: 'consent' });
      }),
    cancel: (url) => visit(url, (browser) => browser.follow(/href="([^"]+\/abort)"/)),
    freeze: () => (world.frozen = true),
    thaw: () => {
      world.frozen = false;
      world.change = undefined;
      world.canned.clear();
    },
    answer: (path, status, body, type = 'application/json') =>
      world.canned.set(path, (reply) => reply.writeHead(status, { 'Content-Type': type }).end(body)),
    onToken: (change) => (world.change = change),
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function makeProvider(issuer: string, configuration: Configuration): Promise<Provider> {
  // Ours is a test, and we know what it says of Node versions and of keys.
  for (const level of ['info', 'warn'] as const) {
    const write = console[level].bind(console);
    console[level] = (...args: unknown[]) => {
      if (!String(args[0]).startsWith('oidc-provider ')) write(...args);
    };
  }
  // It asks for a newer Node, which has this.
  if (!('parse' in URL)) {
    Object.assign(URL, { parse: (text: string) => (URL.canParse(text) ? new URL(text) : null) });
  }
  const { default: OidcProvider } = await import('oidc-provider');
  return new OidcProvider(issuer, configuration);
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
