import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import {
  createRemoteJWKSet,
  CryptoKey,
  decodeJwt,
  exportJWK,
  generateKeyPair,
  JWTHeaderParameters,
  jwtVerify,
  SignJWT,
} from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import jwksRsa from 'jwks-rsa';
import { createPublicKey, KeyObject, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, Server } from 'node:http';
import { AddressInfo } from 'node:net';
import { Passport } from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import request from 'supertest';
import { KeyRing } from '../../src/tokens/key-ring';
import { SigningKeys } from '../../src/tokens/signing-keys.service';
import { startService, TestService } from '../support/app';
import { newSignedIn, register, signIn, SignedIn } from '../support/people';
import { exchange, rawRequest } from '../support/raw-http';

const MINUTE = 60_000;
const AUDIENCE = 'trading_platform';

describe('An access token', () => {
  let service: TestService;
  let jwksUri: string;
  let issuer: string;
  let me: SignedIn;

  beforeAll(async () => {
    service = await startService({ RATELIMIT_LOGIN_ATTEMPTS: '1000' });
    jwksUri = `${service.url}/.well-known/jwks.json`;
    issuer = service.config.JWT_ISSUER;
    me = await newSignedIn(service);
  });
  afterAll(() => service.stop());

  describe('is good, by the published keys alone, for', () => {
    it('jose', async () => {
      const keys = createRemoteJWKSet(new URL(jwksUri));
      const { payload } = await jwtVerify(me.accessToken, keys, {
        issuer,
        audience: AUDIENCE,
        typ: 'at+jwt',
      });
      expect(payload).toMatchObject({ sub: `user:${me.userId}`, sid: me.sessionId });
      await expect(jwtVerify(broken(me.accessToken), keys)).rejects.toThrow('signature verification failed');
    });

    it('jsonwebtoken with jwks-rsa', async () => {
      const keys = jwksRsa({ jwksUri });
      const verify = (token: string): Promise<unknown> =>
        new Promise((resolve, reject) => {
          jsonwebtoken.verify(
            token,
            (header, done) => {
              keys.getSigningKey(header.kid).then((key) => done(null, key.getPublicKey()), done);
            },
            { algorithms: ['RS256'], issuer, audience: AUDIENCE },
            (error, claims) => (error ? reject(error) : resolve(claims)),
          );
        });
      expect(await verify(me.accessToken)).toMatchObject({ sub: `user:${me.userId}`, sid: me.sessionId });
      await expect(verify(broken(me.accessToken))).rejects.toThrow('invalid signature');
    });

    it('passport-jwt', async () => {
      const passport = new Passport();
      const options = {
        jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
        secretOrKeyProvider: jwksRsa.passportJwtSecret({ jwksUri }),
        algorithms: ['RS256'],
        issuer,
        audience: AUDIENCE,
      };
      passport.use(new Strategy(options, (claims, done) => done(null, claims)));
      const app = express();
      app.get('/', passport.authenticate('jwt', { session: false }), (req, res) => {
        res.json(req.user);
      });
      await expectGuarded(app, (body) => expect(body).toMatchObject({ sub: `user:${me.userId}` }));
    });

    it('express-oauth2-jwt-bearer in its strict mode', async () => {
      const app = express();
      app.use(auth({ issuer, jwksUri, audience: AUDIENCE, strict: true, tokenSigningAlg: 'RS256' }));
      app.get('/', (req, res) => {
        res.json(req.auth?.payload);
      });
      // Its errors carry their status; express prints them unless told not to.
      app.use(
        (
          error: { status: number },
          _req: express.Request,
          res: express.Response,
          _next: express.NextFunction,
        ) => {
          res.status(error.status).json({});
        },
      );
      await expectGuarded(app, (body) =>
        expect(body).toMatchObject({ sub: `user:${me.userId}`, client_id: 'user_service' }),
      );
    });

    async function expectGuarded(app: express.Express, check: (body: unknown) => void): Promise<void> {
      const server = await listening(createServer(app));
      try {
        const get = (token: string): request.Test =>
          request(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
            .get('/')
            .set('Authorization', `Bearer ${token}`);
        check((await get(me.accessToken).expect(200)).body);
        await get(broken(me.accessToken)).expect(401);
      } finally {
        server.close();
      }
    }
  });

  it('is checked by keys that hold public members only, and may be cached for five minutes', async () => {
    for (const path of ['/.well-known/jwks.json', '/v1/auth/.well-known/jwks.json']) {
      const { body, headers } = await service.client().get(path).expect(200);
      expect(headers['cache-control']).toBe('public, max-age=300');
      expect(body.keys).toHaveLength(1);
      expect(Object.keys(body.keys[0]).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
    }
  });

  describe('is refused', () => {
    const me_ = (token: string): request.Test => service.client().get('/v1/users/me', token);
    const expectRefused = async (token: string): Promise<void> => {
      const { body, headers } = await me_(token).expect(401);
      expect(body.code).toBe('invalid_access_token');
      expect(headers['www-authenticate']).toBe('Bearer');
    };

    /** A token as the service makes it, but for what is given. */
    const forge = (
      claims: object = {},
      header: Partial<JWTHeaderParameters> = {},
      key: CryptoKey | KeyObject | Uint8Array = ring().signer('access').secret,
    ): Promise<string> =>
      new SignJWT({ ...decodeJwt(me.accessToken), ...claims })
        .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: ring().signer('access').kid, ...header })
        .sign(key);
    const ring = (): KeyRing => service.app.get(KeyRing);
    const publicKey = (): KeyObject =>
      createPublicKey({ key: ring().signer('access').publicJwk as never, format: 'jwk' });
    const now = (): number => Math.floor(Date.now() / 1000);

    it('not when it is forged perfectly: the tests below change one thing each', async () => {
      await me_(await forge()).expect(200);
    });

    it('with alg none', async () => {
      const [, payload] = me.accessToken.split('.');
      for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
        const { kid } = ring().signer('access');
        const header = Buffer.from(JSON.stringify({ alg, typ: 'at+jwt', kid })).toString('base64url');
        await expectRefused(`${header}.${payload}.`);
        await expectRefused(`${header}.${payload}.${me.accessToken.split('.')[2]}`);
      }
    });

    it('with HS256 and the public key as its secret', async () => {
      const pem = publicKey().export({ type: 'spki', format: 'pem' }).toString();
      const secrets = [
        pem,
        pem.trim(),
        publicKey().export({ type: 'pkcs1', format: 'pem' }).toString(),
        JSON.stringify(ring().signer('access').publicJwk),
        ring().signer('access').publicJwk!.n!,
      ];
      for (const secret of secrets) {
        await expectRefused(await forge({}, { alg: 'HS256' }, Buffer.from(secret)));
      }
    });

    it('with another algorithm of the same key', async () => {
      const { privateKey } = await generateKeyPair('PS256');
      await expectRefused(await forge({}, { alg: 'PS256' }, privateKey));
    });

    it('when a foreign key signed it, whatever its head says about that key', async () => {
      const foreign = await generateKeyPair('RS256', { extractable: true });
      const jwk = await exportJWK(foreign.publicKey);
      const asked: string[] = [];
      const evil = await listening(
        createServer((req, res) => {
          asked.push(req.url!);
          res
            .setHeader('Content-Type', 'application/json')
            .end(JSON.stringify({ keys: [{ ...jwk, kid: 'evil' }] }));
        }),
      );
      const url = `http://127.0.0.1:${(evil.address() as AddressInfo).port}/keys`;
      for (const header of [
        {},
        { jwk },
        { jku: url },
        { jku: url, kid: 'evil' },
        { x5u: url },
        { jwk, kid: undefined },
        { kid: 'evil' },
        { kid: '../../etc/passwd' },
        { kid: "' OR '1'='1" },
      ]) {
        await expectRefused(await forge({}, header, foreign.privateKey));
      }
      evil.close();
      expect(asked).toEqual([]);
    });

    it('with a critical extension that nobody knows', async () => {
      const token = await new SignJWT(decodeJwt(me.accessToken))
        .setProtectedHeader({
          alg: 'RS256',
          typ: 'at+jwt',
          kid: ring().signer('access').kid,
          crit: ['x'],
          x: 1,
        })
        .sign(ring().signer('access').secret, { crit: { x: true } });
      await expectRefused(token);
    });

    it.each<[string, object]>([
      ['another audience', { aud: ['other'] }],
      ['no audience', { aud: undefined }],
      ['another issuer', { iss: 'http://other.test' }],
      ['an issuer with a slash more', { iss: 'http://id.test/' }],
      ['no issuer', { iss: undefined }],
      ['no subject', { sub: undefined }],
      ['a subject that is no user', { sub: 'service:1' }],
      ['an unknown user', { sub: `user:${randomUUID()}` }],
      ['no session', { sid: undefined }],
      ['an unknown session', { sid: randomUUID() }],
      ['a session that is no id', { sid: '*' }],
      ['a session that is no text', { sid: { $ne: null } }],
      ['no end', { exp: undefined }],
      ['an end that is no number', { exp: '9999999999' }],
      ['no id', { jti: undefined }],
    ])('with %s', async (_what, claims) => expectRefused(await forge(claims)));

    it('before it begins and after its end', async () => {
      await expectRefused(await forge({ nbf: now() + 3600 }));
      await expectRefused(await forge({ exp: now() - 1 }));
    });

    it.each([['JWT'], ['jwt'], [undefined], ['refresh+jwt']])('with the type %s', async (typ) =>
      expectRefused(await forge({}, { typ })),
    );

    it('cut short, changed or lengthened', async () => {
      const { accessToken } = me;
      const [header, payload, signature] = accessToken.split('.') as [string, string, string];
      const other = Buffer.from(JSON.stringify({ ...decodeJwt(accessToken), roles: ['admin'] })).toString(
        'base64url',
      );
      for (const token of [
        broken(accessToken),
        accessToken.slice(0, -10),
        accessToken.slice(0, 40),
        `${header}.${payload}`,
        `${header}.${payload}.`,
        `.${payload}.${signature}`,
        `${header}.${other}.${signature}`,
        `${accessToken}.${signature}`,
        `${accessToken}A`,
        'x',
        '...',
      ]) {
        await expectRefused(token);
      }
    });

    it("with somebody else's session", async () => {
      const other = await newSignedIn(service);
      await expectRefused(await forge({ sid: other.sessionId }));
      await expectRefused(await forge({ sub: `user:${other.userId}` }));
      await me_(await forge({ sid: other.sessionId, sub: `user:${other.userId}` })).expect(200);
    });

    it('where it is read from: anywhere but one Authorization header', async () => {
      const { accessToken } = me;
      const client = service.client();
      const basic = Buffer.from(`${me.person.email}:${me.person.password}`).toString('base64');
      for (const attempt of [
        client.get(`/v1/users/me?access_token=${accessToken}`),
        client
          .get('/v1/users/me')
          .set('Cookie', `access_token=${accessToken}; Authorization=Bearer ${accessToken}`),
        client.get('/v1/users/me').set('X-Access-Token', accessToken),
        client.post('/v1/auth/logout', { access_token: accessToken }),
        client.get('/v1/users/me').set('Authorization', accessToken),
        client.get('/v1/users/me').set('Authorization', `Basic ${basic}`),
        client.get('/v1/users/me').set('Authorization', `Bearer ${accessToken}, Bearer ${accessToken}`),
        client.get('/v1/users/me').set('Authorization', `Bearer "${accessToken}"`),
        client.get('/v1/users/me').set('Authorization', 'Bearer '),
        client.get('/v1/users/me').set('Authorization', 'Bearer'),
      ]) {
        const { body } = await attempt.expect(401);
        expect(body.code).toBe('not_authenticated');
      }
      for (const name of ['Authorization', 'AUTHORIZATION']) {
        const twice = `Bearer ${accessToken}\r\n${name}: Bearer ${accessToken}`;
        const reply = await exchange(
          service.url,
          rawRequest('GET', '/v1/users/me', { Authorization: twice }),
        );
        expect([reply.status, JSON.parse(reply.body).code]).toEqual([401, 'not_authenticated']);
      }
    });

    it('not for the letter case of the scheme (RFC 9110 section 11.1)', async () => {
      for (const scheme of ['bearer', 'BEARER']) {
        await service
          .client()
          .get('/v1/users/me')
          .set('Authorization', `${scheme} ${me.accessToken}`)
          .expect(200);
      }
    });

    it('as refresh token, and the refresh token as access token', async () => {
      const { body } = await service
        .client()
        .post('/v1/auth/refresh', { refresh_token: me.accessToken })
        .expect(401);
      expect(body.code).toBe('invalid_refresh_token');
      await expectRefused(me.refreshToken);
    });

    describe('though it was good a moment ago,', () => {
      let fresh: SignedIn;
      beforeEach(async () => {
        fresh = await newSignedIn(service);
        await me_(fresh.accessToken).expect(200);
        await me_(fresh.accessToken).expect(200);
      });

      it('after its session ended', async () => {
        await service.client().post('/v1/auth/logout', {}, fresh.accessToken).expect(200);
        await expectRefused(fresh.accessToken);
      });

      it('after another session of its owner ended it', async () => {
        const second = await signIn(service, fresh.person);
        await service.client().delete(`/v1/auth/sessions/${fresh.sessionId}`, second.accessToken).expect(204);
        await expectRefused(fresh.accessToken);
        await me_(second.accessToken).expect(200);
      });

      it('after its key was revoked', async () => {
        const keys = service.app.get(SigningKeys);
        const { kid } = ring().signer('access');
        await keys.rotate({ immediately: true });
        await service.db.query('UPDATE signing_keys SET revoked_at = now() WHERE kid = $1', [kid]);
        await ring().load();
        await expectRefused(fresh.accessToken);
        const { body } = await service.client().get('/.well-known/jwks.json').expect(200);
        expect(body.keys.map((key: { kid: string }) => key.kid)).toEqual([ring().signer('access').kid]);
        await me_((await newSignedIn(service)).accessToken).expect(200);
      });

      it('after its end, by the second', async () => {
        const { exp } = decodeJwt(fresh.accessToken);
        service.advance(exp! * 1000 - Date.now() - 2_000);
        await me_(fresh.accessToken).expect(200);
        service.advance(2_000);
        await expectRefused(fresh.accessToken);
        service.advance(15 * MINUTE);
        await expectRefused(fresh.accessToken);
      });
    });
  });

  it('says what its owner may do, and needs an account', async () => {
    const person = await register(service);
    const { accessToken } = await signIn(service, person);
    expect(decodeJwt(accessToken)).toMatchObject({ roles: ['trader'], email_verified: false, ver: 1 });
  });
});

async function listening(server: Server): Promise<Server> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

/** With another signature of the same length. */
function broken(token: string): string {
  const at = token.lastIndexOf('.') + 20;
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
}
