import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, decodeProtectedHeader, generateKeyPair, JWK, SignJWT } from 'jose';
import { KeyRing } from '../../src/tokens/key-ring';
import { KEY_USES, KeyUse } from '../../src/tokens/signing-key.entity';
import { SigningKeys } from '../../src/tokens/signing-keys.service';
import { startService, TestService } from '../support/app';
import { askForReset } from '../support/mailed-links';
import { isSignedIn, newSignedIn, register, signIn } from '../support/people';
import { expectProblem } from '../support/problem';

const MINUTE = 60_000;
const DAY = 86_400_000;

/** As the command line does it, and as each instance sees it half a minute later at the latest. */
async function rotate(
  service: TestService,
  options?: { use?: KeyUse; immediately?: boolean },
): Promise<string> {
  const { kid } = await service.app.get(SigningKeys).rotate(options);
  await service.app.get(KeyRing).load();
  return kid;
}

async function published(service: TestService): Promise<JWK[]> {
  const { body } = await service.client().get('/.well-known/jwks.json').expect(200);
  return body.keys as JWK[];
}

const kidsOf = async (service: TestService): Promise<(string | undefined)[]> =>
  (await published(service)).map(({ kid }) => kid).sort();

const kidOf = (accessToken: string): string => decodeProtectedHeader(accessToken).kid!;

async function countKeys(service: TestService): Promise<Record<KeyUse, number>> {
  const rows = await service.db.query<{ use: KeyUse; count: number }[]>(
    `SELECT use, count(*)::int FROM signing_keys GROUP BY use`,
  );
  return Object.fromEntries(rows.map(({ use, count }) => [use, count])) as Record<KeyUse, number>;
}

describe('signing keys', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('are published with their public members alone, for five minutes of caching', async () => {
    const { accessToken } = await newSignedIn(service);
    const first = await service.client().get('/v1/auth/.well-known/jwks.json').expect(200);
    const second = await service.client().get('/.well-known/jwks.json').expect(200);
    expect(second.body).toEqual(first.body);
    expect(first.headers['cache-control']).toBe('public, max-age=300');
    expect(first.body).toEqual({
      keys: [
        {
          kty: 'RSA',
          use: 'sig',
          alg: 'RS256',
          kid: kidOf(accessToken),
          n: expect.stringMatching(/^[\w-]{342}$/),
          e: 'AQAB',
        },
      ],
    });
    const [key] = first.body.keys as [JWK];
    expect(key.kid).toBe(await calculateJwkThumbprint(key));
  });

  it('keep their private part wrapped in the table', async () => {
    const rows = await service.db.query<{ wrapped: string }[]>(
      `SELECT encode(wrapped_secret, 'escape') AS wrapped FROM signing_keys`,
    );
    expect(rows).toHaveLength(KEY_USES.length);
    for (const { wrapped } of rows) expect(wrapped).not.toContain('PRIVATE KEY');
  });

  it('that are not ours open nothing, under no name', async () => {
    const { accessToken, userId, sessionId } = await newSignedIn(service);
    const { privateKey } = await generateKeyPair('RS256');
    const forged = (kid?: string): Promise<string> =>
      new SignJWT({ sid: sessionId, scope: 'user:write', roles: ['admin'], client_id: 'user_service' })
        .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', ...(kid !== undefined && { kid }) })
        .setIssuer('http://id.test')
        .setAudience('trading_platform')
        .setSubject(`user:${userId}`)
        .setIssuedAt()
        .setExpirationTime('15m')
        .setJti('1')
        .sign(privateKey);
    for (const kid of [kidOf(accessToken), 'unknown', undefined]) {
      expect(await isSignedIn(service, await forged(kid))).toBe(false);
    }
    expect(await isSignedIn(service, accessToken)).toBe(true);
  });
});

describe('signing keys in rotation', () => {
  let service: TestService;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  it('are published ten minutes before they sign', async () => {
    const person = await register(service);
    const { accessToken } = await signIn(service, person);
    const old = kidOf(accessToken);
    const next = await rotate(service);
    expect(await kidsOf(service)).toEqual([old, next].sort());
    expect(kidOf((await signIn(service, person)).accessToken)).toBe(old);
    service.advance(10 * MINUTE - 5_000);
    expect(kidOf((await signIn(service, person)).accessToken)).toBe(old);
    service.advance(5_000);
    expect(kidOf((await signIn(service, person)).accessToken)).toBe(next);
  });

  it('verify what they signed until the last of it has expired, and are not published longer', async () => {
    const person = await register(service);
    await signIn(service, person);
    const next = await rotate(service);
    service.advance(10 * MINUTE - 5_000);
    const last = await signIn(service, person);
    const old = kidOf(last.accessToken);
    service.advance(14 * MINUTE);
    expect(kidOf((await signIn(service, person)).accessToken)).toBe(next);
    expect(await isSignedIn(service, last.accessToken)).toBe(true);
    expect(await kidsOf(service)).toEqual([old, next].sort());
    service.advance(MINUTE);
    expect(await isSignedIn(service, last.accessToken)).toBe(false);
    service.advance(2 * MINUTE + 5_000);
    expect(await kidsOf(service)).toEqual([next]);
    await service.app.get(KeyRing).load();
    expect(await kidsOf(service)).toEqual([next]);
  });

  it('sign at once where that is asked for, and the old one still verifies', async () => {
    const before = await newSignedIn(service);
    const next = await rotate(service, { immediately: true });
    const after = await signIn(service, before.person);
    expect(kidOf(after.accessToken)).toBe(next);
    expect(await isSignedIn(service, before.accessToken)).toBe(true);
    expect(await isSignedIn(service, after.accessToken)).toBe(true);
  });

  it('verify nothing any more once they are revoked, not even what was seen before', async () => {
    const { accessToken, person } = await newSignedIn(service);
    expect(await isSignedIn(service, accessToken)).toBe(true);
    const next = await rotate(service, { immediately: true });
    await service.db.query(`UPDATE signing_keys SET revoked_at = now() WHERE kid = $1`, [kidOf(accessToken)]);
    await service.app.get(KeyRing).load();
    expect(await isSignedIn(service, accessToken)).toBe(false);
    expect(await kidsOf(service)).toEqual([next]);
    expect(await isSignedIn(service, (await signIn(service, person)).accessToken)).toBe(true);
  });

  it('that have leaked are taken out of force, and another signs from then on', async () => {
    const session = await newSignedIn(service);
    const leaked = kidOf(session.accessToken);
    const keys = service.app.get(SigningKeys);
    await expect(keys.revoke(leaked)).resolves.toMatchObject({ kid: leaked, status: 'revoked' });
    await expect(keys.revoke('nobody')).resolves.toBeNull();
    await service.app.get(KeyRing).load();
    expect(await kidsOf(service)).not.toContain(leaked);
    expect(await isSignedIn(service, session.accessToken)).toBe(false);
    const { body } = await service
      .client()
      .post('/v1/auth/refresh', { refresh_token: session.refreshToken })
      .expect(200);
    expect(kidOf(body.access_token as string)).not.toBe(leaked);
    expect(await isSignedIn(service, body.access_token as string)).toBe(true);
    const events = await service.db.query(
      `SELECT data FROM events WHERE event_type = 'signing_key.revoked' AND subject = $1`,
      [`signing_key:${leaked}`],
    );
    expect(events).toEqual([{ data: { kid: leaked, use: 'access' } }]);
  });

  it('that cannot be unwrapped keep nobody from revoking others, verify what they signed, and are replaced', async () => {
    const before = await newSignedIn(service);
    const damage = (kid: string): Promise<unknown> =>
      service.db.query('UPDATE signing_keys SET wrapped_secret = $2 WHERE kid = $1', [kid, randomBytes(80)]);
    const keys = service.app.get(SigningKeys);
    const ring = service.app.get(KeyRing);
    const leaked = kidOf(before.accessToken);

    // Whatever is in its place, the leaked one is out of force.
    const { kid: next } = await keys.rotate({ immediately: true });
    await damage(next);
    const started = await service.another();
    try {
      // The one before signs on, as where it runs already.
      expect(kidOf((await signIn(started, before.person)).accessToken)).toBe(leaked);
    } finally {
      await started.stop();
    }
    await service.db.query('UPDATE signing_keys SET revoked_at = now() WHERE kid = $1', [leaked]);
    await ring.load();
    expect(await kidsOf(service)).toEqual([next]);
    expect(await isSignedIn(service, before.accessToken)).toBe(false);
    const body = { refresh_token: before.refreshToken };
    await expectProblem(service.client().post('/v1/auth/refresh', body), 503, 'unavailable');
    await expect(service.another()).rejects.toThrow(`signing key ${next}, under the master key`);

    // As the command does it.
    await keys.revoke(next);
    await ring.load();
    const { body: tokens } = await service.client().post('/v1/auth/refresh', body).expect(200);
    const signedWith = kidOf(tokens.access_token as string);

    // Of one that signs no more the public part is enough.
    await rotate(service, { immediately: true });
    await damage(signedWith);
    const other = await service.another();
    try {
      expect(await isSignedIn(other, tokens.access_token as string)).toBe(true);
    } finally {
      await other.stop();
    }
  });

  it('of seals keep no instance from starting where they cannot be unwrapped', async () => {
    await service.db.query(`UPDATE signing_keys SET wrapped_secret = $1 WHERE use = 'audit'`, [
      randomBytes(80),
    ]);
    const started = await service.another();
    try {
      await newSignedIn(started);
    } finally {
      await started.stop();
    }
  });

  it('of refresh tokens and mailed links rotate without ending either', async () => {
    const { refreshToken, person } = await newSignedIn(service);
    const link = await askForReset(service, person.email);
    await rotate(service, { use: 'opaque', immediately: true });
    const { body } = await service
      .client()
      .post('/v1/auth/refresh', { refresh_token: refreshToken })
      .expect(200);
    await service.client().post('/v1/auth/refresh', { refresh_token: body.refresh_token }).expect(200);
    await service
      .client()
      .post('/v1/auth/password/reset', { token: link, new_password: 'Kaveri-Morning-77?' })
      .expect(200);
    expect(await published(service)).toHaveLength(1);
  });

  it('are recorded as events, without the key', async () => {
    const kid = await rotate(service);
    const events = await service.db.query(
      `SELECT actor, data FROM events WHERE event_type = 'signing_key.rotated' AND subject = $1`,
      [`signing_key:${kid}`],
    );
    expect(events).toEqual([
      { actor: 'system', data: { kid, use: 'access', activates_at: expect.any(String) } },
    ]);
  });

  it('are replaced when they are 90 days old, once, however many instances look', async () => {
    const other = await service.another();
    const rotateWhenDue = async (): Promise<void> => {
      const both = [service, other].flatMap(({ app }) => [app.get(SigningKeys), app.get(SigningKeys)]);
      await Promise.all(both.map((keys) => keys.rotateWhenDue()));
    };
    await rotateWhenDue();
    expect(await countKeys(service)).toEqual({ access: 1, audit: 1, opaque: 1 });
    for (const instance of [service, other]) instance.advance(90 * DAY + MINUTE);
    await rotateWhenDue();
    await rotateWhenDue();
    expect(await countKeys(service)).toEqual({ access: 2, audit: 2, opaque: 2 });
    await other.stop();
  });

  it('made on one instance are found by another when their first token arrives', async () => {
    const other = await service.another();
    const { person } = await newSignedIn(service);
    const kid = await rotate(service, { immediately: true });
    const { accessToken, refreshToken } = await signIn(service, person);
    other.advance(5_000);
    expect(await isSignedIn(other, accessToken)).toBe(true);
    expect(await kidsOf(other)).toContain(kid);
    await other.client().post('/v1/auth/refresh', { refresh_token: refreshToken }).expect(200);
    await other.stop();
  });

  it('are made once when two instances start for the first time together', async () => {
    await service.db.query(`DELETE FROM signing_keys`);
    const both = await Promise.all([service.another(), service.another()]);
    expect(await countKeys(service)).toEqual({ access: 1, audit: 1, opaque: 1 });
    const [first, second] = both;
    expect(await published(second)).toEqual(await published(first));
    const { accessToken } = await newSignedIn(first);
    expect(await isSignedIn(second, accessToken)).toBe(true);
    for (const instance of both) await instance.stop();
  });

  it('are made once by many that find them missing in the same moment', async () => {
    const other = await service.another();
    const all = Array.from({ length: 8 }, (_, i) => (i % 2 ? service : other).app.get(SigningKeys));
    await service.db.query(`DELETE FROM signing_keys WHERE use = 'opaque'`);
    // With connections at hand nobody comes late.
    await Promise.all(all.map((_, i) => (i % 2 ? service : other).db.query(`SELECT pg_sleep(0.1)`)));
    await Promise.all(all.map((keys) => keys.ensure()));
    expect(await countKeys(service)).toEqual({ access: 1, audit: 1, opaque: 1 });
    await other.stop();
  });
});
