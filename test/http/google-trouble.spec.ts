import { decodeJwt, JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { generateKeyPairSync, KeyObject } from 'node:crypto';
import {
  CALLBACK,
  finish,
  GoogleWorld,
  newGooglePerson,
  Returned,
  returnFromGoogle,
  signInWithGoogle,
  START,
  startGoogleWorld,
} from '../support/google-flow';
import { listenToLog } from '../support/heard-log';
import { expectProblem } from '../support/problem';

let world: GoogleWorld;
beforeAll(async () => {
  world = await startGoogleWorld();
});
afterEach(() => world.provider.thaw());
afterAll(() => world.stop());

async function countAccounts(): Promise<number> {
  const [{ count }] = await world.service.db.query(`SELECT count(*)::int FROM users`);
  return count as number;
}

async function expectUnavailable(call: Parameters<typeof expectProblem>[0]): Promise<void> {
  const accounts = await countAccounts();
  const asked = performance.now();
  const { headers } = await expectProblem(call, 503, 'unavailable');
  expect(headers['retry-after']).toBe('1');
  expect(performance.now() - asked).toBeLessThan(4_000);
  expect(await countAccounts()).toBe(accounts);
}

const someoneBack = (): Promise<Returned> => returnFromGoogle(world, newGooglePerson(world).sub);

/** An instance that has not yet asked the provider what it is. */
async function withNewInstance(
  settings: Record<string, string>,
  test: (there: GoogleWorld) => Promise<void>,
): Promise<void> {
  const service = await world.service.another(settings);
  try {
    await test({ ...world, service });
  } finally {
    await service.stop();
  }
}

describe('While Google', () => {
  it('does not answer, sign-ins begin with 503 within four seconds, and with 200 as soon as it does', async () => {
    await withNewInstance({}, async ({ service }) => {
      world.provider.freeze();
      await expectUnavailable(service.client().post(START));
      world.provider.thaw();
      await service.client().post(START).expect(200);
    });
  });

  it('does not answer, sign-ins end with 503 within four seconds and nothing is made', async () => {
    const back = await someoneBack();
    world.provider.freeze();
    await expectUnavailable(finish(world, back));
    world.provider.thaw();
    // The code may have been used.
    await expectProblem(finish(world, back), 400, 'invalid_oauth_state');
  });

  it('is not there, sign-ins begin and end with 503', async () => {
    const gone = await startGoogleWorld();
    const back = await returnFromGoogle(gone, newGooglePerson(gone).sub);
    await gone.provider.stop();
    await expectUnavailable(finish(gone, back));
    const other = await gone.service.another();
    await expectUnavailable(other.client().post(START));
    await other.stop();
    await gone.service.stop();
  });

  it('says of itself what makes no sense, or not who it is, sign-ins begin with 503', async () => {
    const { provider } = world;
    const path = '/.well-known/openid-configuration';
    const document = (await (await fetch(provider.issuer + path)).json()) as Record<string, unknown>;
    await withNewInstance({}, async ({ service }) => {
      for (const [status, body, type] of [
        [200, '<html>Sorry</html>', 'text/html'],
        [200, '{"issuer":', 'application/json'],
        [200, '[]', 'application/json'],
        [200, '{}', 'application/json'],
        [200, JSON.stringify({ ...document, issuer: 'https://evil.test' }), 'application/json'],
        [500, '{"error":"server_error"}', 'application/json'],
        [404, '', 'text/plain'],
        [302, '', 'text/plain'],
      ] as const) {
        provider.answer(path, status, body, type);
        await expectUnavailable(service.client().post(START));
      }
      provider.thaw();
      await service.client().post(START).expect(200);
    });
  });

  it.each<[string, number, string, string]>([
    ['a page', 200, '<html>Sorry</html>', 'text/html'],
    ['half of a document', 200, '{"id_token":', 'application/json'],
    ['an error', 500, '{"error":"server_error"}', 'application/json'],
    ['an error that is a page', 502, '<html>Bad gateway</html>', 'text/html'],
    ['that it is too busy', 503, '', 'text/plain'],
    ['that it knows us not', 401, '{"error":"invalid_client"}', 'application/json'],
  ])('answers %s to a code, sign-ins end with 503', async (_what, status, body, type) => {
    const back = await someoneBack();
    world.provider.answer('/token', status, body, type);
    await expectUnavailable(finish(world, back));
  });

  it('does not hand out its keys, sign-ins end with 503', async () => {
    const back = await someoneBack();
    await withNewInstance({}, async (there) => {
      world.provider.answer('/jwks', 500, '');
      await expectUnavailable(finish(there, back));
    });
  });

  it('does not take our secret, that is our trouble and not the person’s', async () => {
    await withNewInstance({ GOOGLE_OAUTH_CLIENT_SECRET: 'wrong' }, async (there) => {
      await expectUnavailable(finish(there, await someoneBack()));
    });
  });

  it('is asked by many at once, it is asked what it is once a day', async () => {
    await withNewInstance({}, async ({ service }) => {
      const { requests } = world.provider;
      const count = () => requests.filter((request) => request.endsWith('/openid-configuration')).length;
      const before = count();
      const starts = () =>
        Promise.all(Array.from({ length: 20 }, () => service.client().post(START).expect(200)));
      await starts();
      await starts();
      expect(count()).toBe(before + 1);
      service.advance(25 * 3_600_000);
      await starts();
      expect(count()).toBe(before + 2);
    });
  });
});

it('begins and ends no sign-in while Redis is away', async () => {
  const back = await someoneBack();
  await withNewInstance({}, async (there) => {
    there.service.redis.disconnect();
    await expectUnavailable(there.service.client().post(START));
    await expectUnavailable(finish(there, back));
    await there.service.redis.connect();
  });
  // Nobody has looked at the state.
  await finish(world, back).expect(200);
});

describe('An ID token is refused', () => {
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const now = (): number => Math.floor(Date.now() / 1000);

  const sign = (claims: JWTPayload, key?: KeyObject, kid?: string): Promise<string> => {
    const { signingKey } = world.provider;
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: kid ?? signingKey.kid })
      .sign(key ?? signingKey.privateKey);
  };
  const changed = (change: JWTPayload) => (claims: JWTPayload) => sign({ ...claims, ...change });

  it.each<[string, (claims: JWTPayload) => Promise<string> | string]>([
    ['with the signature of another key', (claims) => sign(claims, stranger)],
    ['of a key that is not published', (claims) => sign(claims, stranger, 'unpublished')],
    ['without a signature', (claims) => new UnsecuredJWT(claims).encode()],
    [
      'signed with the client secret',
      (claims) =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'HS256' })
          .sign(new TextEncoder().encode(world.provider.clientSecret)),
    ],
    ['for another client', changed({ aud: 'another.apps.test' })],
    ['for us and, as its holder, another client', changed({ aud: ['x', 'another'], azp: 'another' })],
    ['of another issuer', changed({ iss: 'https://accounts.google.com' })],
    ['that is over', changed({ exp: now() - 120, iat: now() - 3600 })],
    ['with another nonce', changed({ nonce: 'another' })],
    ['without a nonce', changed({ nonce: undefined })],
    ['without an expiry', changed({ exp: undefined })],
    ['of nobody', changed({ sub: '' })],
    ['of a person with a name that no provider gives', changed({ sub: 'a\0b' })],
    ['of a person with a name of 256 characters', changed({ sub: 'x'.repeat(256) })],
    ['that is none', () => 'rubbish'],
    ['that is not there', () => undefined as unknown as string],
  ])('%s', async (_what, forge) => {
    const accounts = await countAccounts();
    const back = await someoneBack();
    world.provider.onToken(async (reply) => ({ ...reply, id_token: await forge(decodeJwt(reply.id_token)) }));
    await expectProblem(finish(world, back), 401, 'invalid_oauth_code');
    expect(await countAccounts()).toBe(accounts);
  });

  it('in no way where it is only written anew', async () => {
    const back = await someoneBack();
    world.provider.onToken(async (reply) => ({ ...reply, id_token: await sign(decodeJwt(reply.id_token)) }));
    await finish(world, back).expect(200);
  });
});

describe('The provider', () => {
  it('gives nothing for a code without the verifier that it was asked for with (RFC 7636)', async () => {
    const { provider } = world;
    for (const code_verifier of [undefined, 'a'.repeat(43)]) {
      const { code } = await someoneBack();
      const reply = await fetch(`${provider.issuer}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          code,
          redirect_uri: world.service.config.GOOGLE_OAUTH_REDIRECT_URI,
          client_id: provider.clientId,
          client_secret: provider.clientSecret,
          ...(code_verifier && { code_verifier }),
        }),
      });
      expect([reply.status, await reply.json()]).toEqual([
        400,
        expect.objectContaining({ error: 'invalid_grant' }),
      ]);
    }
  });
});

describe('The log and the replies', () => {
  it('hold no secret, code or token, whatever goes wrong', async () => {
    const { provider } = world;
    const log = listenToLog();
    let replies = '';
    try {
      await withNewInstance({ LOG_LEVEL: 'trace', DEBUG: 'true' }, async (there) => {
        const note = async (back: Returned): Promise<void> => {
          provider.secrets.push(back.state, back.cookie.split('=')[1]!);
          const { status, text } = await finish(there, back);
          if (status !== 200) replies += text;
        };
        await signInWithGoogle(there, newGooglePerson(world).sub);
        const back = await someoneBack();
        await note(back);
        await note({ ...(await someoneBack()), code: back.code });
        for (const [status, body] of [
          [401, '{"error":"invalid_client"}'],
          [500, 'oops'],
        ] as const) {
          provider.answer('/token', status, body);
          await note(await someoneBack());
          provider.thaw();
        }
        provider.onToken((reply) => ({ ...reply, id_token: `${reply.id_token.slice(0, -8)}AAAAAAAA` }));
        await note(await someoneBack());
      });
    } finally {
      log.stop();
    }
    for (const expected of ['"unavailable"', 'invalid_client', '"invalid_oauth_code"', CALLBACK]) {
      expect([expected, log.text().includes(expected)]).toEqual([expected, true]);
    }
    const secrets = [...new Set(provider.secrets.filter(Boolean))];
    expect(secrets.length).toBeGreaterThan(20);
    expect(secrets.filter((secret) => log.text().includes(secret) || replies.includes(secret))).toEqual([]);
  });
});
