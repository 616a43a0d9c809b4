import { randomBytes } from 'node:crypto';
import type { Response, Test } from 'supertest';
import { startService, TestService } from './app';
import { Claims, OpenIdProvider, startOpenIdProvider } from './openid-provider';

export const START = '/v1/auth/oauth/google';
export const CALLBACK = '/v1/auth/oauth/google/callback';
export const REDIRECT_URI = 'http://app.test/signed-in';
export const OTHER_REDIRECT_URI = 'http://other.test/signed-in';

/** The service, with a real OpenID provider in Google's place. */
export interface GoogleWorld {
  service: TestService;
  provider: OpenIdProvider;
  stop(): Promise<void>;
}

/** A sign-in that has come back from the provider. */
export interface Returned {
  code: string;
  state: string;
  /** The browser's cookie. */
  cookie: string;
}

export async function startGoogleWorld(overrides: Record<string, string> = {}): Promise<GoogleWorld> {
  const provider = await startOpenIdProvider([REDIRECT_URI, OTHER_REDIRECT_URI]);
  const service = await startService({
    GOOGLE_OAUTH_ISSUER: provider.issuer,
    GOOGLE_OAUTH_CLIENT_ID: provider.clientId,
    GOOGLE_OAUTH_CLIENT_SECRET: provider.clientSecret,
    GOOGLE_OAUTH_REDIRECT_URI: REDIRECT_URI,
    GOOGLE_OAUTH_REDIRECT_URIS: OTHER_REDIRECT_URI,
    ...overrides,
  });
  return {
    service,
    provider,
    stop: async () => {
      await service.stop();
      await provider.stop();
    },
  };
}

/** Somebody with a verified address at the provider, whom nobody has seen before. */
export function newGooglePerson(
  { provider }: GoogleWorld,
  claims: Claims = {},
): { sub: string; email: string } {
  const id = randomBytes(6).toString('hex');
  const person = {
    sub: `google-${id}`,
    email: `g${id}@example.org`,
    email_verified: true,
    name: 'Asha Rao',
    ...claims,
  };
  provider.addPerson(person);
  return person;
}

/** The cookies that an answer sets, as a browser sends them back. */
export const cookiesOf = ({ headers }: Response): string =>
  ((headers['set-cookie'] as unknown as string[] | undefined) ?? [])
    .map((cookie) => cookie.split(';')[0]!)
    .join('; ');

/** Begins, and signs in at the provider. */
export async function returnFromGoogle(
  { service, provider }: GoogleWorld,
  sub: string,
  { cookie, ...body }: { cookie?: string; redirect_uri?: string } = {},
): Promise<Returned> {
  const start = service.client().post(START, body);
  const begun = await (cookie ? start.set('Cookie', cookie) : start).expect(200);
  const back = await provider.signIn(begun.body.authorization_url, sub);
  return {
    code: back.searchParams.get('code')!,
    state: back.searchParams.get('state')!,
    cookie: cookiesOf(begun),
  };
}

/** Hands in what came back. */
export function finish(
  { service }: GoogleWorld,
  { code, state, cookie }: Omit<Returned, 'cookie'> & { cookie?: string },
  more: object = { token_delivery: 'body' },
): Test {
  const call = service.client().post(CALLBACK, { code, state, ...more });
  return cookie ? call.set('Cookie', cookie) : call;
}

/** The whole way. */
export async function signInWithGoogle(
  world: GoogleWorld,
  sub: string,
  more: object = { token_delivery: 'body' },
): Promise<Response> {
  const reply = await finish(world, await returnFromGoogle(world, sub), more);
  expect([reply.status, reply.body.code]).toEqual([200, undefined]);
  return reply;
}
