import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, startService, TestService } from '../support/app';
import { newAdministrator, SignedIn } from '../support/people';
import { exchange, RawReply, rawRequest } from '../support/raw-http';

interface Property {
  type: string;
  example?: unknown;
  enum?: unknown[];
  default?: unknown;
  nullable?: boolean;
}

interface BodySchema {
  properties: Record<string, Property>;
  required?: string[];
}

interface DocumentedOperation {
  security?: object[];
  requestBody?: { content: Record<string, { schema: { $ref: string } }> };
}

interface Operation {
  name: string;
  method: string;
  path: string;
  isGuarded: boolean;
  schema: BodySchema | null;
}

const document = JSON.parse(readFileSync(join(__dirname, '../../docs/openapi.json'), 'utf8'));
const operations = Object.entries<Record<string, DocumentedOperation>>(document.paths).flatMap(
  ([path, methods]) =>
    Object.entries(methods).map(([method, { security, requestBody }]): Operation => {
      const reference: string | undefined = requestBody?.content['application/json']?.schema.$ref;
      return {
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path: path.replace(/\{\w+\}/, '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10'),
        isGuarded: security !== undefined,
        schema: reference ? document.components.schemas[reference.split('/').at(-1)!] : null,
      };
    }),
);
const withBody = operations.filter((operation) => operation.schema !== null);
const named = (some: Operation[]): [string, Operation][] =>
  some.map((operation) => [operation.name, operation]);

const JSON_TYPE = { 'Content-Type': 'application/json' };
const MEGABYTES_10 = Buffer.alloc(10_000_000, '[');

const nested = (depth: number, open: string, close: string): string =>
  open.repeat(depth) + '1' + close.repeat(depth);

const NOT_READABLE: Record<string, string | Buffer> = {
  'half an object': '{"email":',
  'something after the object': '{}x',
  'two objects': '{}{}',
  'single quotes': "{'email':1}",
  'not a number': '{"email":NaN}',
  'bytes that are no UTF-8': Buffer.from('{"email":"\xff\xfe"}', 'latin1'),
  'an encoded surrogate': Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]),
  'UTF-16': Buffer.from('{}', 'utf16le'),
  gzip: Buffer.from('1f8b0800000000000003ab560200a2c1d87803000000', 'hex'),
  'a raw NUL': '{"email":"a\0b"}',
  '33 arrays in one another': `{"a":${nested(33, '[', ']')}}`,
  '33 objects in one another': nested(33, '{"a":', '}'),
  '30,000 arrays in one another': nested(30_000, '[', ']'),
  '10,000 objects in one another': nested(10_000, '{"a":', '}'),
  __proto__: '{"__proto__":{"email":"a@example.org"}}',
  'an escaped __proto__': '{"\\u005f_proto__":{"x":1}}',
  'a nested __proto__': '{"a":[{"__proto__":null}]}',
  'constructor.prototype': '{"constructor":{"prototype":{"x":1}}}',
};

const TOO_LARGE: Record<string, string | Buffer> = {
  '10 MB': MEGABYTES_10,
  '65,537 bytes': `{"a":"${'x'.repeat(65_537 - 8)}"}`,
  '100,000 arrays in one another': nested(100_000, '[', ']'),
  '100,000 objects in one another': nested(100_000, '{"a":', '}'),
};

const NO_OBJECT = ['null', '[]', '[{}]', '"text"', '1', 'true', '\ufeff[]'];

const OTHER_TYPES = [
  undefined,
  '',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/xml',
  'application/jsonx',
  'application/problem+json',
  '///',
];

describe('Bad input', () => {
  let service: TestService;
  let me: SignedIn;
  let addresses = 0;

  beforeAll(async () => {
    service = await startService({ RATELIMIT_LOGIN_ATTEMPTS: '1000' });
    // Who may do everything: it is the input that must be refused.
    me = await newAdministrator(service);
  });
  afterAll(() => service.stop());

  const headers = ({ isGuarded }: { isGuarded: boolean }): Record<string, string> => ({
    'X-Forwarded-For': `10.200.${(++addresses >> 8) & 255}.${addresses & 255}`,
    ...(isGuarded && { Authorization: `Bearer ${me.accessToken}` }),
  });
  const send = (operation: Operation, body: string | Buffer, more: Record<string, string> = JSON_TYPE) =>
    exchange(
      service.url,
      rawRequest(operation.method, operation.path, { ...headers(operation), ...more }, body),
    );

  /** What is in the tables that a request could have filled. */
  const rows = async (): Promise<unknown> => {
    const [counts] = await service.db.query(`SELECT
      (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM events) AS events,
      (SELECT count(*) FROM mail_outbox) AS mails, (SELECT count(*) FROM one_time_tokens) AS tokens,
      (SELECT count(*) FROM known_devices) AS devices`);
    return counts;
  };
  let before: unknown;
  beforeEach(async () => {
    // Mails leave the table when they are sent.
    const isEmpty = async (): Promise<boolean> =>
      (await service.db.query('SELECT FROM mail_outbox')).length === 0;
    await eventually(isEmpty, 'earlier mails to be sent');
    before = await rows();
  });
  const expectNothingStored = async (): Promise<void> => expect(await rows()).toEqual(before);

  describe.each(named(withBody))('in the body of %s', (_name, operation) => {
    it('is refused with 400 where it is not readable JSON', async () => {
      for (const [what, body] of Object.entries(NOT_READABLE)) {
        expectProblem(what, await send(operation, body), 400, 'malformed_request');
      }
      await expectNothingStored();
    });

    it('is refused with 413 where it is too large, whatever it holds', async () => {
      for (const [what, body] of Object.entries(TOO_LARGE)) {
        expectProblem(what, await send(operation, body), 413, 'payload_too_large');
      }
      const chunk = Buffer.concat([
        Buffer.from(`${(10_000_000).toString(16)}\r\n`),
        MEGABYTES_10,
        Buffer.from('\r\n0\r\n\r\n'),
      ]);
      const chunked = { ...headers(operation), ...JSON_TYPE, 'Transfer-Encoding': 'chunked' };
      const request = Buffer.concat([rawRequest(operation.method, operation.path, chunked), chunk]);
      expectProblem('10 MB in chunks', await exchange(service.url, request), 413, 'payload_too_large');
      await expectNothingStored();
    });

    it('is refused with 415 where it is not declared as JSON', async () => {
      for (const type of OTHER_TYPES) {
        const reply = await send(operation, '{}', type === undefined ? {} : { 'Content-Type': type });
        expectProblem(String(type), reply, 415, 'unsupported_media_type');
      }
      await expectNothingStored();
    });

    it('is refused with 422 where it is no object', async () => {
      for (const body of NO_OBJECT) {
        const reply = await send(operation, body);
        expectProblem(body, reply, 422, 'validation_failed');
        expect(JSON.parse(reply.body).errors).toEqual([{ field: 'body', message: 'body must be an object' }]);
      }
      await expectNothingStored();
    });

    it('is refused with 422, naming the member, where one has a wrong type or is no text', async () => {
      const { properties } = operation.schema!;
      for (const [name, property] of Object.entries(properties)) {
        for (const value of wrongValues(property)) {
          const reply = await send(operation, JSON.stringify({ ...example(properties), [name]: value }));
          expectProblem(`${name}: ${JSON.stringify(value)?.slice(0, 80)}`, reply, 422, 'validation_failed');
          expect(JSON.parse(reply.body).errors).toContainEqual({
            field: name,
            message: expect.stringContaining(name),
          });
        }
      }
      await expectNothingStored();
    });

    it('is refused with 422 where a member is missing', async () => {
      const { properties, required = [] } = operation.schema!;
      for (const name of required) {
        const { [name]: _missing, ...rest } = example(properties);
        expectProblem(`no ${name}`, await send(operation, JSON.stringify(rest)), 422, 'validation_failed');
      }
      if (required.length > 0) {
        expectProblem('no body', await send(operation, ''), 422, 'validation_failed');
        expectProblem('BOM', await send(operation, '\ufeff{}'), 422, 'validation_failed');
      }
      await expectNothingStored();
    });

    it('never breaks the service, and passes only where the document allows it', async () => {
      const ajv = new Ajv({ strict: false, schemas: [{ $id: 'document', ...document }] });
      addFormats(ajv);
      ajv.addFormat('password', true);
      ajv.addFormat('idn-email', true);
      const isAllowed = ajv.compile(operation.schema!);
      let { accessToken } = await newAdministrator(service);
      const seed = Date.now() & 0x7fffffff;
      await fc.assert(
        fc.asyncProperty(bodies(operation.schema!), async (body) => {
          const authorization = operation.isGuarded && { Authorization: `Bearer ${accessToken}` };
          const reply = await send(operation, body, { ...JSON_TYPE, ...authorization });
          expect([reply.status < 500, reply.milliseconds < 1000]).toEqual([true, true]);
          if (reply.status >= 400) return expectProblem(String(body), reply);
          expect(isAllowed(JSON.parse(body.toString()))).toBe(true);
          // It may have been a sign-out.
          if (operation.isGuarded) ({ accessToken } = await newAdministrator(service));
        }),
        { seed, numRuns: 100, endOnFailure: true },
      );
    });
  });

  describe('in the head', () => {
    const get = (path: string, more: Record<string, string> = {}): Promise<RawReply> =>
      exchange(service.url, rawRequest('GET', path, { ...headers({ isGuarded: true }), ...more }));

    it.each(['/%zz', '/v1/users/%zz', '/v1/users/profile/%', '/v1/users/profile/%ed%a0%80', '/%ff'])(
      'is refused with 400 in the path %s',
      async (path) => expectProblem(path, await get(path), 400, 'malformed_request'),
    );

    it.each([
      '/nothing',
      '/v1',
      '/v1/users/me/',
      '//v1/users/me',
      '/v1//users/me',
      '/V1/users/me',
      '/v1/Users/Me',
      '/v1%2fusers%2fme',
      '/v1/users/profile/../me',
      '/v1/users/me;a=1',
      '/v1/users/profile/me',
      '/v1/users/profile/%00',
      '/v1/users/profile/%F0%9F%92%A9',
      "/v1/users/profile/1'%20OR%20'1'='1",
      '/__proto__',
      '/v1/users/constructor',
    ])('names nothing in the path %s', async (path) =>
      expectProblem(path, await get(path), 404, 'not_found'),
    );

    it('is refused where path or headers are too long', async () => {
      expectProblem(
        'parameter',
        await get(`/v1/users/profile/${'a'.repeat(1000)}`),
        400,
        'malformed_request',
      );
      expectProblem('path', await get(`/${'a'.repeat(20_000)}`), 431, 'malformed_request');
      expectProblem('query', await get(`/v1/users/me?${'a'.repeat(20_000)}`), 431, 'malformed_request');
      expectProblem(
        'header',
        await get('/v1/users/me', { 'X-Long': 'a'.repeat(20_000) }),
        431,
        'malformed_request',
      );
      const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`X-${i}`, '1']));
      expectProblem('headers', await get('/v1/users/me', many), 431, 'malformed_request');
    });

    it('is of no effect in queries that a route does not read', async () => {
      const reply = await get('/v1/users/me?user_id=1&user_id=2&a[b]=1&__proto__[x]=1&%zz&access_token=1');
      expect(reply.status).toBe(200);
      expect(JSON.parse(reply.body).user_id).toBe(me.userId);
    });

    it('does not get past the guard by spelling a path otherwise', async () => {
      for (const path of [
        '/v1/users/%6de',
        '/v1/%75sers/me',
        '/v1/users/me?',
        '/v1/users/me?/health/live',
        '/v1/users/me#x',
        'http://other.test/v1/users/me',
      ]) {
        const reply = await exchange(service.url, rawRequest('GET', path));
        expect([400, 401, 404]).toContain(reply.status);
        expectProblem(path, reply);
      }
    });

    it.each(['TRACE', 'PUT', 'PROPFIND', 'LOCK'])('finds no route for %s', async (method) => {
      for (const path of ['/v1/users/me', '/v1/auth/login', '/nothing']) {
        expectProblem(path, await exchange(service.url, rawRequest(method, path)), 404, 'not_found');
      }
    });

    it.each(['FOO', 'QUERY', 'OPTIONS'])('is refused with 400 for %s', async (method) => {
      for (const path of ['/v1/users/me', '/nothing']) {
        expectProblem(path, await exchange(service.url, rawRequest(method, path)), 400, 'malformed_request');
      }
    });

    it('is answered without a body for HEAD', async () => {
      const { status, headers, body } = await exchange(service.url, rawRequest('HEAD', '/v1/users/me'));
      expect([status, headers['content-type'], body]).toEqual([
        401,
        'application/problem+json; charset=utf-8',
        '',
      ]);
    });

    it('cannot turn one method into another', async () => {
      const path = `/v1/auth/sessions/${me.sessionId}`;
      for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
        expectProblem(name, await get(path, { [name]: 'DELETE' }), 404, 'not_found');
        const post = rawRequest('POST', `${path}?_method=DELETE`, {
          ...headers({ isGuarded: true }),
          [name]: 'DELETE',
        });
        expectProblem(name, await exchange(service.url, post), 404, 'not_found');
      }
      expect((await get('/v1/users/me')).status).toBe(200);
    });

    it.each([
      ['no HTTP', 'hello\r\n\r\n'],
      ['TLS', Buffer.from([22, 3, 1, 0, 5, 1, 0, 0, 1, 0])],
      ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
      ['NULs', Buffer.alloc(1000)],
      ['a name with a NUL', 'GET / HTTP/1.1\r\nHost: x\r\nA\0b: c\r\n\r\n'],
      ['no host', 'GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n'],
      [
        'two lengths',
        'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
      ],
      [
        'a length and chunks',
        'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      ],
      ['a length below zero', 'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'],
      [
        'a broken chunk',
        'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      ],
      ['a blank in the path', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['UTF-8 in the path', 'GET /é HTTP/1.1\r\nHost: x\r\n\r\n'],
    ])('is refused with 400 on the bare socket: %s', async (what, bytes) => {
      expectProblem(what, await exchange(service.url, bytes), 400, 'malformed_request');
      await expectNothingStored();
    });

    it('does not make the service promise what it cannot keep', async () => {
      const odd = rawRequest('POST', '/v1/auth/login', { ...JSON_TYPE, Expect: 'miracles' }, '{}');
      expectProblem('Expect', await exchange(service.url, odd), 422, 'validation_failed');
    });

    it('is refused in cookies and in the address that a proxy passes on', async () => {
      for (const cookie of [
        'refresh_token=%zz',
        'refresh_token=%00%ed%a0%80',
        'refresh_token=\xff',
        '=;;=,',
        `refresh_token=${'a.'.repeat(5000)}`,
      ]) {
        const refresh = rawRequest('POST', '/v1/auth/refresh', { ...JSON_TYPE, Cookie: cookie }, '{}');
        const reply = await exchange(service.url, refresh);
        expect(reply.status).toBe(401);
        expectProblem(cookie, reply);
      }
      for (const address of [
        "1.2.3.4' OR 1=1",
        '::',
        '999.1.1.1',
        '\xff',
        ',,,',
        'unknown',
        'fe80::1%eth0',
      ]) {
        const login = { ...JSON_TYPE, 'X-Forwarded-For': address, 'User-Agent': '\xff\xfe' };
        const body = JSON.stringify({ email: me.person.email, password: me.person.password });
        const { status } = await exchange(service.url, rawRequest('POST', '/v1/auth/login', login, body));
        expect([address, status]).toEqual([address, 200]);
      }
    });
  });

  describe('as X-Request-ID', () => {
    const ask = (id: string): Promise<RawReply> =>
      exchange(service.url, rawRequest('GET', '/v1/users/me', { 'X-Request-ID': id }));

    it.each([
      'a',
      '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
      'Root=1-67891233-abcdef012345678912345678',
      'x'.repeat(128),
    ])('is taken and given back where it is harmless: %s', async (id) => {
      const { headers, body } = await ask(id);
      expect([headers['x-request-id'], JSON.parse(body).request_id]).toEqual([id, id]);
    });

    it.each(['', 'a b', '<script>', 'a"b', '\xe9', '{}', 'x'.repeat(129), 'a,b', '$(reboot)'])(
      'is replaced where it is not: %s',
      async (id) => {
        const { headers, body } = await ask(id);
        expect(headers['x-request-id']).toMatch(
          /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/,
        );
        expect(JSON.parse(body).request_id).toBe(headers['x-request-id']);
      },
    );
  });
});

/** A complete problem, in time; with this status and code where they are given. */
function expectProblem(what: string, reply: RawReply, status = reply.status, code?: string): void {
  expect([what, reply.status, reply.body]).toEqual([what, status, expect.any(String)]);
  expect(reply.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  const problem = JSON.parse(reply.body);
  expect(problem).toMatchObject({
    type: 'about:blank',
    title: expect.any(String),
    status,
    detail: expect.any(String),
    code: code ?? expect.stringMatching(/^[a-z_]+$/),
    request_id: reply.headers['x-request-id'],
  });
  expect(problem.request_id).toMatch(/./);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  expect([what, reply.milliseconds < 1000]).toEqual([what, true]);
}

function example(properties: Record<string, Property>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [
      name,
      property.example ?? property.default ?? property.enum?.[0],
    ]),
  );
}

function wrongValues({ type, nullable }: Property): unknown[] {
  const others = [[], {}, [[]], { $ne: null }, 1.5, ...(nullable ? [] : [null])];
  if (type === 'object') return [[], [[]], 1.5, null, 'text', true];
  if (type === 'boolean') return [...others, 'true', 'false', 0, 1, ''];
  if (type === 'array') return [{}, 'text', 1.5, null, true, [1], [null], [['text']], ['a\0b'], ['\ud800']];
  return [...others, true, 'a\0b@example.org', '\ud800', 'x\udc00x', 'x'.repeat(5000)];
}

/** Bodies from nearly right to noise. */
function bodies(schema: BodySchema): fc.Arbitrary<Buffer> {
  const right = example(schema.properties);
  const members = Object.fromEntries(
    Object.keys(schema.properties).map((name) => [
      name,
      fc.oneof(
        fc.constant(right[name]),
        fc.jsonValue(),
        fc.string({ unit: 'binary' }),
        // Lone surrogates, as JSON escapes them.
        fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
      ),
    ]),
  );
  return fc.oneof(
    { weight: 4, arbitrary: fc.record(members, { requiredKeys: [] }).map(toBytes) },
    { weight: 2, arbitrary: fc.json().map((text) => Buffer.from(text)) },
    {
      weight: 1,
      arbitrary: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    },
  );
}

const toBytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
