import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenAPIObject } from '@nestjs/swagger';
import request from 'supertest';
import { definedErrors } from '../../src/common/app-error';
import { startService, TestService } from '../support/app';
import { register } from '../support/people';
import { ResponseCheck } from '../support/response-check';

interface Schema {
  $ref?: string;
  type?: string;
  enum?: unknown[];
  default?: unknown;
  example?: unknown;
  properties?: Record<string, Schema>;
}

interface Example {
  value: object;
}

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

interface Described {
  description: string;
  example?: string;
  schema?: Schema;
}

interface Reply {
  description: string;
  headers?: Record<string, Described | { $ref: string }>;
  content?: Record<string, { examples?: object }>;
}

interface Operation {
  name: string;
  summary?: string;
  description?: string;
  tags?: string[];
  operationId: string;
  security?: object[];
  parameters?: object[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, Reply>;
}

const committed = JSON.parse(
  readFileSync(join(__dirname, '../../docs/openapi.json'), 'utf8'),
) as OpenAPIObject;
const schemas = committed.components!.schemas as Record<string, Schema>;
const operations = Object.entries(committed.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]): Operation => {
    const { responses, ...rest } = operation as Operation;
    const told = Object.entries(responses).map(([status, reply]) => [status, meant<Reply>(reply)]);
    return { ...rest, name: `${method} ${path}`, responses: Object.fromEntries(told) };
  }),
);

/** What a part of the document is: itself, or what it refers to. */
function meant<T extends object>(part: T | { $ref: string }): T {
  if (!('$ref' in part)) return part;
  const names = part.$ref.split('/').slice(1);
  const found = names.reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], committed);
  if (!found) throw new Error(`${part.$ref} is nowhere`);
  return found as T;
}

/** The headers of a reply, by their names in lower case, with what they say. */
const headersOf = ({ headers = {} }: Reply): Record<string, Described> =>
  Object.fromEntries(Object.entries(headers).map(([name, what]) => [name.toLowerCase(), meant(what)]));

/** A `Set-Cookie` without what differs each time: the value, and when it ends. */
const shapeOf = (setCookie: string | undefined): string[] =>
  setCookie?.split('; ').map((part) => part.replace(/^(Max-Age|[\w-]+oken|[\w-]+browser)=.*/, '$1')) ?? [];

describe('The OpenAPI document', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('is served as it is committed (write it with `npm run docs`)', async () => {
    const { body } = await service.client().get('/openapi.json').expect(200).expect('Content-Type', /json/);
    expect(body).toEqual(committed);
  });

  it.each(operations.map((operation) => [operation.name, operation]))(
    '%s has a summary, a description, a tag and an example of each error, of ours too',
    (_name, { summary, description, tags, responses }) => {
      expect(summary).toMatch(/^[A-Z]/);
      expect(description).toMatch(/^[A-Z].{20,}\.$/s);
      expect(responses['500']?.content?.['application/problem+json']?.examples).toHaveProperty(
        'internal_error',
      );
      expect(tags).toHaveLength(1);
      for (const [status, { description, content }] of Object.entries(responses)) {
        expect(description).not.toBe('');
        const problem = content?.['application/problem+json'];
        if (!problem) continue;
        for (const [code, example] of Object.entries(problem.examples ?? {})) {
          expect(definedErrors().map((error) => error.code)).toContain(code);
          expect(example.value).toMatchObject({ code, status: Number(status) });
        }
        expect(Object.keys(problem.examples ?? {})).not.toHaveLength(0);
      }
    },
  );

  it.each(
    operations.filter(({ requestBody }) => requestBody).map((operation) => [operation.name, operation]),
  )(
    '%s shows an example of every member it takes, and says what is wrong with a body',
    (_name, { requestBody, responses }) => {
      const { $ref } = requestBody!.content['application/json']!.schema;
      for (const property of Object.values(schemas[$ref!.split('/').at(-1)!]!.properties!)) {
        expect(property.example ?? property.default ?? property.enum?.[0]).toBeDefined();
      }
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(['400', '413', '415', '422']));
    },
  );

  it.each(operations.map((operation) => [operation.name, operation]))(
    '%s names with every reply the headers that it carries',
    (_name, { responses }) => {
      for (const [status, reply] of Object.entries(responses)) {
        const headers = headersOf(reply);
        for (const { description, schema } of Object.values(headers)) {
          expect(description).not.toBe('');
          expect(schema).toBeDefined();
        }
        expect(Object.keys(headers)).toEqual(
          expect.arrayContaining([
            'x-request-id',
            ...(Number(status) < 300 ? ['cache-control'] : []),
            ...(status === '401' ? ['www-authenticate'] : []),
            ...(['429', '503'].includes(status) ? ['retry-after'] : []),
          ]),
        );
      }
    },
  );

  it('says of what may be kept, and of nothing else, that it may', () => {
    const kept = operations.filter(({ responses }) =>
      Object.values(responses).some(
        (reply) => headersOf(reply)['cache-control']?.schema?.enum?.[0] === 'public, max-age=300',
      ),
    );
    expect(kept.map(({ name }) => name)).toEqual([
      'get /v1/auth/.well-known/jwks.json',
      'get /.well-known/jwks.json',
    ]);
  });

  it('says which replies set a cookie, and which calls bring one: none that a browser page could be asked for', () => {
    const setting = operations.flatMap(({ name, responses }) =>
      Object.entries(responses).flatMap(([status, reply]) => {
        const cookie = headersOf(reply)['set-cookie'];
        return cookie ? [[`${name} ${status}`, shapeOf(cookie.example).join('; ')]] : [];
      }),
    );
    const set = '__Secure-refresh_token; Max-Age; Path=/v1/auth; HttpOnly; Secure; SameSite=Strict';
    expect(Object.fromEntries(setting)).toEqual({
      'post /v1/auth/login 200': set,
      'post /v1/auth/refresh 200': set,
      'post /v1/auth/mfa/verify 200': set,
      'post /v1/auth/oauth/google/callback 200': set,
      'post /v1/auth/oauth/google 200':
        '__Host-oauth_browser; Max-Age; Path=/; HttpOnly; Secure; SameSite=Lax',
      'post /v1/auth/logout 200': expect.stringMatching(
        /^__Secure-refresh_token; Max-Age; Path=\/v1\/auth; /,
      ),
      'delete /v1/users/me 200': expect.stringMatching(/^__Secure-refresh_token; Max-Age; Path=\/v1\/auth; /),
    });
    const taking = operations.flatMap(({ name, parameters = [] }) =>
      parameters
        .map((parameter) => meant<{ in?: string; name?: string; required?: boolean }>(parameter))
        .filter((parameter) => parameter.in === 'cookie')
        .map((parameter) => [name, parameter.name, parameter.required]),
    );
    expect(taking).toEqual([
      ['post /v1/auth/refresh', '__Secure-refresh_token', false],
      ['post /v1/auth/oauth/google', '__Host-oauth_browser', false],
      ['post /v1/auth/oauth/google/callback', '__Host-oauth_browser', false],
    ]);
  });

  it('shows cookies as they are set and cleared', async () => {
    const secure = await startService({ PUBLIC_URL: 'https://id.example.org' });
    try {
      const { email, password } = await register(secure);
      const credentials = { email, password, persist_session: true };
      const signedIn = await secure.client().post('/v1/auth/login', credentials).expect(200);
      const signedOut = await secure
        .client()
        .post('/v1/auth/logout', {}, signedIn.body.access_token)
        .expect(200);
      for (const [name, { headers }] of [
        ['post /v1/auth/login', signedIn],
        ['post /v1/auth/logout', signedOut],
      ] as const) {
        const { responses } = operations.find((operation) => operation.name === name)!;
        const { example } = headersOf(responses['200']!)['set-cookie']!;
        expect(shapeOf(headers['set-cookie']![0])).toEqual(shapeOf(example));
      }
    } finally {
      await secure.stop();
    }
  });

  it('names no header that a page on another origin could not read, but for cookies', async () => {
    const readable = await service
      .client()
      .get('/health/live')
      .set('Origin', service.config.CORS_ALLOWED_ORIGINS[0]!);
    const exposed = readable.headers['access-control-expose-headers']!.toLowerCase().split(', ');
    const named = operations.flatMap(({ responses }) =>
      Object.values(responses).flatMap((reply) => Object.keys(headersOf(reply))),
    );
    // The Fetch standard lets every page read Cache-Control, and none Set-Cookie.
    const asked = [...new Set(named)].filter((name) => !['cache-control', 'set-cookie'].includes(name));
    expect(asked.sort()).toEqual(exposed.sort());
  });

  it('asks for a bearer token where, and only where, the service does', async () => {
    for (const { name, security, responses } of operations) {
      const [method, path] = name.split(' ') as [Method, string];
      const { body } = await request(service.url)[method](path);
      expect([name, body.code === 'not_authenticated']).toEqual([name, security !== undefined]);
      expect([name, '401' in responses || !security]).toEqual([name, true]);
    }
    expect(committed.components!.securitySchemes).toEqual({
      bearer: expect.objectContaining({ type: 'http', scheme: 'bearer' }),
      api_key: expect.objectContaining({ type: 'apiKey', in: 'header', name: 'X-API-Key' }),
    });
  });

  it('names the API key where, and only where, the service takes one', async () => {
    for (const { name, security, responses } of operations.filter((operation) => operation.security)) {
      const [method, path] = name.split(' ') as [Method, string];
      const { body } = await request(service.url)[method](path).set('X-API-Key', 'us_live_of_nobody');
      const takesKeys = security!.some((scheme) => 'api_key' in scheme);
      expect([name, body.code]).toEqual([name, takesKeys ? 'invalid_api_key' : 'session_required']);
      const refusals = responses[takesKeys ? '401' : '403']!.content!['application/problem+json']!.examples;
      expect(refusals).toHaveProperty(body.code);
    }
  });

  it('says where a session will not do', () => {
    const only = operations.filter(
      ({ security }) => security && !security.some((scheme) => 'bearer' in scheme),
    );
    expect(only.map(({ name, security }) => [name, security])).toEqual([
      ['post /v1/internal/trading-accounts/{trading_account_id}/credentials', [{ api_key: [] }]],
    ]);
  });

  it.each([
    ['trading_account_exists', 'trading_account_id'],
    ['already_member', 'membership_id'],
    ['permission_already_granted', 'permission_id'],
    ['verification_required', 'methods'],
  ])('shows with %s the member %s, and problems have no other', (code, member) => {
    const examples = operations.flatMap(({ responses }) =>
      Object.values(responses).flatMap(({ content }) => {
        const some = (content?.['application/problem+json']?.examples ?? {}) as Record<string, Example>;
        return some[code] ? [some[code].value] : [];
      }),
    );
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) expect(example).toHaveProperty(member);
    expect(schemas.Problem!.properties).toHaveProperty(member);
  });

  it('gives every operation a name of its own', () => {
    const names = operations.map(({ operationId }) => operationId);
    expect(new Set(names).size).toBe(names.length);
  });

  it('is what replies are held against: another status, code or member is noticed', async () => {
    const check = new ResponseCheck(committed);
    const reply = await request(service.url).get('/health/live');
    const live = (change: object): unknown => {
      try {
        return check.check('GET', '/health/live', Object.assign(Object.create(reply), change));
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(live({})).toBeUndefined();
    expect(live({ status: 418 })).toMatch('which is not documented');
    expect(live({ body: { status: 'dead' } })).toMatch('not as documented');
    // Documented everywhere and expected nowhere: a test that means one does not ask through `client()`.
    expect(live({ status: 500, text: '{"code":"internal_error"}' })).toBeDefined();
    expect(live({ body: { status: 'ok', more: 1 } })).toMatch('not as documented');
    const refused = await request(service.url).get('/v1/users/me');
    const unknown = Object.assign(Object.create(refused), { body: { ...refused.body, code: 'unknown' } });
    expect(() => check.check('GET', '/v1/users/me', unknown)).toThrow('the code unknown');
    const more = Object.assign(Object.create(refused), { body: { ...refused.body, more: 1 } });
    expect(() => check.check('GET', '/v1/users/me', more)).toThrow('not as documented');
    expect(() => check.check('GET', '/v1/nothing', reply)).toThrow('no such operation');
  });
});

describe('The documentation pages', () => {
  const POLICY = /default-src 'self'.*worker-src 'self' blob:.*frame-ancestors 'none'/;
  let service: TestService;
  afterEach(() => service.stop());

  it('are served with their scripts, under a policy that lets them run', async () => {
    service = await startService();
    const page = (path: string): request.Test => request(service.url).get(path).expect(200);
    const swagger = await page('/docs')
      .expect('Content-Security-Policy', POLICY)
      .expect('Content-Type', /html/);
    expect(swagger.text).toContain('User Service API');
    const scripts = [...swagger.text.matchAll(/src="([^"]+\.js)"/g)].map(([, path]) => path!);
    expect(scripts).not.toHaveLength(0);
    for (const script of scripts) {
      await page(new URL(script, `${service.url}/docs`).pathname).expect('Content-Type', /javascript/);
    }
    const redoc = await page('/redoc')
      .expect('Content-Security-Policy', POLICY)
      .expect('Content-Type', /html/);
    expect(redoc.text).toContain('spec-url="/openapi.json"');
    const script = await page('/redoc/redoc.standalone.js').expect('Content-Type', /javascript/);
    expect(script.text.length).toBeGreaterThan(500_000);
  });

  it('can be turned off, and the document stays', async () => {
    service = await startService({ DOCS_ENABLED: 'false' });
    for (const path of ['/docs', '/docs/swagger-ui-init.js', '/redoc', '/redoc/redoc.standalone.js']) {
      const { body } = await request(service.url).get(path).expect(404);
      expect(body).toMatchObject({ code: 'not_found', status: 404 });
    }
    await request(service.url).get('/openapi.json').expect(200);
  });
});
