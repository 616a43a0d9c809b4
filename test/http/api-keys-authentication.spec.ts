import * as fc from 'fast-check';
import { EntityManager } from 'typeorm';
import type { OpenAPIObject } from '@nestjs/swagger';
import { newApiKey } from '../../src/api-keys/api-key-format';
import { newId } from '../../src/common/ids';
import { startService, TestService } from '../support/app';
import { newAdministrator, PASSWORD, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { exchange, rawRequest } from '../support/raw-http';
import { give, keysOf, newKey, NewKey, newServiceAccount, take, withKey } from '../support/services';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
type Method = (typeof METHODS)[number];

describe('X-API-Key', () => {
  let service: TestService;
  let other: TestService;
  let admin: SignedIn;
  let owner: string;
  let key: NewKey;
  beforeAll(async () => {
    service = await startService();
    other = await service.another();
    admin = await newAdministrator(service);
  });
  afterAll(async () => {
    await other.stop();
    await service.stop();
  });
  beforeEach(async () => {
    owner = await newServiceAccount(service, 'user:read', 'authz:check');
    key = await newKey(service, admin, owner, ['user:read']);
  });

  const call = (apiKey = key.apiKey, on = service) => withKey(on.client().get(keysOf(owner)), apiKey);
  const raw = (headers: Record<string, string>, path = keysOf(owner)) =>
    exchange(service.url, rawRequest('GET', path, headers));
  const codeOf = ({ status, body }: { status: number; body: string }): [number, string] => [
    status,
    (JSON.parse(body) as { code: string }).code,
  ];

  describe('is refused', () => {
    it.each<[string, (text: string) => string]>([
      ['in lower case', (text) => text.toLowerCase()],
      ['in upper case', (text) => text.toUpperCase()],
      ['without its last character', (text) => text.slice(0, -1)],
      ['without its beginning', (text) => text.slice(8)],
      ['with another beginning', (text) => text.replace('live', 'test')],
      ['with one character more', (text) => `${text}0`],
      ['with another last character', (text) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0')],
      ['with blanks in it', (text) => `${text.slice(0, 20)} ${text.slice(20)}`],
      ['in quotes', (text) => `"${text}"`],
      ['with the scheme of the other header', (text) => `Bearer ${text}`],
      ['twice in one header', (text) => `${text}, ${text}`],
      ['as its prefix', (text) => text.slice(0, 12)],
      ['empty', () => ''],
      ['10 KB long', (text) => text + 'x'.repeat(10_000)],
      ['as SQL', () => `' OR '1'='1`],
      ['as somebody else’s access token', () => admin.accessToken],
      ['well-formed and unknown', () => newApiKey()],
    ])('%s', async (_what, change) => {
      await expectProblem(call(change(key.apiKey)), 401, 'invalid_api_key');
    });

    it('whatever else it says', async () => {
      const text = fc
        .string({ unit: 'binary-ascii', maxLength: 80 })
        .filter((one) => !/[\x00-\x1f\x7f]/.test(one));
      const nearly = text.map((one) => `us_live_${one}`);
      await fc.assert(
        fc.asyncProperty(fc.oneof(text, nearly), async (one) => {
          await expectProblem(call(one), 401, 'invalid_api_key');
        }),
        { numRuns: 150 },
      );
    });

    it('with bytes that are no ASCII', async () => {
      for (const text of [`${key.apiKey}é`, 'ключ', '\x80\xff', key.apiKey.replace('_', 'ـ')]) {
        const reply = await raw({ 'X-API-Key': Buffer.from(text).toString('latin1') });
        expect(codeOf(reply)).toEqual([401, 'invalid_api_key']);
      }
    });

    it('with a wrong checksum before any store is asked', async () => {
      const asked = jest.spyOn(service.app.get(EntityManager), 'query');
      const last = key.apiKey.endsWith('0') ? '1' : '0';
      await expectProblem(call(key.apiKey.slice(0, -1) + last), 401, 'invalid_api_key');
      expect(asked).not.toHaveBeenCalled();
      await expectProblem(call(newApiKey()), 401, 'invalid_api_key');
      expect(asked).toHaveBeenCalledTimes(1);
      asked.mockRestore();
    });

    it('anywhere but in its header', async () => {
      const client = service.client();
      const path = keysOf(owner);
      const { apiKey } = key;
      await expectProblem(client.get(path, apiKey), 401, 'invalid_access_token');
      for (const authorization of [apiKey, `ApiKey ${apiKey}`, `X-API-Key ${apiKey}`]) {
        await expectProblem(client.get(path).set('Authorization', authorization), 401, 'not_authenticated');
      }
      await expectProblem(
        client.get(`${path}?api_key=${apiKey}&x-api-key=${apiKey}`),
        401,
        'not_authenticated',
      );
      await expectProblem(client.post(path, { api_key: apiKey }), 401, 'not_authenticated');
      for (const name of ['Cookie', 'X-Api-Token', 'API-Key']) {
        const value = name === 'Cookie' ? `X-API-Key=${apiKey}` : apiKey;
        await expectProblem(client.get(path).set(name, value), 401, 'not_authenticated');
      }
    });

    it('together with an Authorization header, whatever each is worth', async () => {
      for (const apiKey of [key.apiKey, newApiKey(), '']) {
        for (const authorization of [`Bearer ${admin.accessToken}`, 'Bearer x', 'Basic eDp5', '']) {
          await expectProblem(call(apiKey).set('Authorization', authorization), 401, 'not_authenticated');
        }
      }
    });

    it('when the header is there twice', async () => {
      const twice = `${key.apiKey}\r\nx-api-key: `;
      for (const second of [key.apiKey, newApiKey(), '']) {
        expect(codeOf(await raw({ 'X-API-Key': twice + second }))).toEqual([401, 'not_authenticated']);
      }
    });
  });

  it('may be written in any case, and with blanks around its value, as HTTP has it', async () => {
    for (const [name, value] of [
      ['x-api-key', key.apiKey],
      ['X-API-KEY', `  ${key.apiKey}\t `],
    ] as const) {
      expect((await raw({ [name]: value })).status).toBe(200);
    }
  });

  it('is no reason to refuse what is public, and no help there', async () => {
    for (const apiKey of [key.apiKey, 'nonsense', '']) {
      const client = service.client();
      await withKey(client.get('/.well-known/jwks.json'), apiKey).expect(200);
      await expectProblem(
        withKey(client.post('/v1/auth/login', { email: 'x@example.org', password: PASSWORD }), apiKey),
        401,
        'invalid_credentials',
      );
    }
  });

  it('opens no operation that asks for a session: every other operation refuses a key that could do all', async () => {
    const { body } = await service.client().get('/openapi.json').expect(200);
    const [{ all }] = await service.db.query('SELECT array_agg(name) AS all FROM permissions');
    const strong = await newServiceAccount(service, ...(all as string[]));
    const { apiKey } = await newKey(service, admin, strong, all);
    const closed: string[] = [];
    for (const [path, methods] of Object.entries((body as OpenAPIObject).paths)) {
      for (const method of METHODS) {
        const security = methods[method]?.security?.flatMap(Object.keys);
        if (!security || security.includes('api_key')) continue;
        expect(security).toEqual(['bearer']);
        closed.push(`${method} ${path}`);
        const url = path.replace(/\{\w+\}/g, newId());
        const client = service.client();
        const test = method === 'get' || method === 'delete' ? client[method](url) : client[method](url, {});
        await expectProblem(withKey(test, apiKey), 403, 'session_required');
      }
    }
    expect(closed).toEqual(
      expect.arrayContaining([
        'patch /v1/users/me',
        'post /v1/users/change-password',
        'post /v1/auth/logout',
        'get /v1/auth/sessions',
        'post /v1/users/{user_id}/api-keys',
      ]),
    );
    // Not even whose key it is matters there.
    await expectProblem(
      withKey(service.client().get('/v1/auth/sessions'), 'nonsense'),
      403,
      'session_required',
    );
  });

  it('stands in the OpenAPI document beside the access token, as the other way in', async () => {
    const { body } = await service.client().get('/openapi.json').expect(200);
    const { paths, components } = body as OpenAPIObject;
    expect(components!.securitySchemes).toEqual({
      api_key: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'Of a service account' },
      bearer: expect.objectContaining({ type: 'http', scheme: 'bearer' }),
    });
    for (const [path, method] of [
      ['/v1/users/{user_id}/api-keys', 'get'],
      ['/v1/users/{user_id}', 'patch'],
      ['/v1/api-keys/{key_id}', 'delete'],
    ] as const) {
      const { security, responses } = paths[path]![method as Method]!;
      // Two members of the list: either will do. One member with two names would ask for both.
      expect(security).toHaveLength(2);
      expect(security).toEqual(expect.arrayContaining([{ bearer: [] }, { api_key: [] }]));
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(['401', '403', '404', '503']));
    }
  });

  it('is for services, not for pages in a browser', async () => {
    const reply = await fetch(service.url + keysOf(owner), {
      method: 'OPTIONS',
      headers: {
        Origin: service.config.CORS_ALLOWED_ORIGINS[0]!,
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'x-api-key',
      },
    });
    expect(reply.headers.get('access-control-allow-headers')).toContain('Authorization');
    expect(reply.headers.get('access-control-allow-headers')).not.toMatch(/api-key/i);
  });

  describe('is good only as long as', () => {
    it('it has not expired, by the service’s clock', async () => {
      const short = await newKey(service, admin, owner, ['user:read'], {
        expires_at: new Date(Date.now() + 3_600_000).toISOString(),
      });
      await call(short.apiKey, other).expect(200);
      other.advance(3_600_000);
      await expectProblem(call(short.apiKey, other), 401, 'invalid_api_key');
      await call(key.apiKey, other).expect(200);
      other.advance(-3_600_000);
    });

    it.each(['suspended', 'deactivated', 'pending_verification', 'deleted'])(
      'its owner is not %s',
      async (status) => {
        await call().expect(200);
        await service.db.query(`UPDATE users SET status = $2 WHERE id = $1`, [owner, status]);
        await expectProblem(call(), 401, 'invalid_api_key');
        await service.db.query(`UPDATE users SET status = 'active' WHERE id = $1`, [owner]);
        await call().expect(200);
      },
    );

    it('its owner is there', async () => {
      await service.db.query(`UPDATE users SET deleted_at = now() WHERE id = $1`, [owner]);
      await expectProblem(call(), 401, 'invalid_api_key');
    });

    it('its owner is a service', async () => {
      await service.db.query(`UPDATE users SET kind = 'person', email = id || '@example.org' WHERE id = $1`, [
        owner,
      ]);
      await expectProblem(call(), 401, 'invalid_api_key');
    });
  });

  describe('allows', () => {
    const check = () => withKey(service.client().patch(`/v1/users/${owner}`, {}), key.apiKey);

    it('what it names and its owner holds, and nothing else', async () => {
      await call().expect(200);
      await expectProblem(check(), 403, 'permission_denied');
      await give(service, owner, 'user:write');
      // The owner has it now, the key does not.
      await expectProblem(check(), 403, 'permission_denied');
    });

    it('nothing any more that was taken from its owner, at once, and again what comes back', async () => {
      for (let i = 0; i < 5; i++) {
        await call(key.apiKey, other).expect(200);
        await take(service, owner, 'user:read');
        await expectProblem(call(), 403, 'permission_denied');
        await expectProblem(call(key.apiKey, other), 403, 'permission_denied');
        await give(service, owner, 'user:read');
        await call(key.apiKey, other).expect(200);
      }
    });

    it('nothing any more that was a grant which has ended', async () => {
      await service.db.query(
        `UPDATE user_permissions SET expires_at = now() + interval '1 hour' WHERE user_id = $1`,
        [owner],
      );
      await call(key.apiKey, other).expect(200);
      other.advance(3_700_000);
      await expectProblem(call(key.apiKey, other), 403, 'permission_denied');
      other.advance(-3_700_000);
    });

    it('its own account nothing that the key of another service names', async () => {
      const rival = await newServiceAccount(service, 'authz:check');
      const weak = await newKey(service, admin, rival, ['authz:check']);
      await expectProblem(call(weak.apiKey), 403, 'permission_denied');
      await call().expect(200);
    });
  });

  it('stops everywhere with its revocation, however hard the other instance is asked', async () => {
    let revoked = false;
    let asking = true;
    const late: number[] = [];
    const before: number[] = [];
    const hammers = Array.from({ length: 8 }, async () => {
      while (asking) {
        const beganAfter = revoked;
        const { status } = await call(key.apiKey, other);
        (beganAfter ? late : before).push(status);
      }
    });
    while (before.length < 50) await new Promise((resolve) => setTimeout(resolve, 5));
    await service.client().delete(`/v1/api-keys/${key.keyId}`, admin.accessToken).expect(204);
    revoked = true;
    while (late.length < 100) await new Promise((resolve) => setTimeout(resolve, 5));
    asking = false;
    await Promise.all(hammers);
    expect(before).toContain(200);
    expect(new Set(late)).toEqual(new Set([401]));
  });
});
