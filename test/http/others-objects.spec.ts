import type { OpenAPIObject } from '@nestjs/swagger';
import type { Response } from 'supertest';
import { newId } from '../../src/common/ids';
import { Client, startService, TestService } from '../support/app';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { give, newKey, newServiceAccount } from '../support/services';
import { shareAccount, storeAccount } from '../support/trading-accounts';
import { addDeliveries, WebhookAdministration } from '../support/webhooks';

interface Schema {
  $ref?: string;
  properties?: Record<string, { format?: string; example?: unknown; default?: unknown; enum?: unknown[] }>;
}

interface Documented {
  description?: string;
  security?: object[];
  requestBody?: { content: Record<string, { schema: Schema }> };
}

interface Operation {
  name: string;
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With the names of ids in braces. */
  path: string;
  /** That it asks for, if it does. */
  permission?: string;
  /** One that the service would take. */
  body: Record<string, unknown>;
}

/** What everybody who has signed in may see of everybody. */
const FOR_ALL = 'get /v1/users/profile/{user_id}';
/** What people are refused whatever they name: it takes an API key. */
const FOR_SERVICES = 'post /v1/internal/trading-accounts/{trading_account_id}/credentials';
/** What everybody holds who signs up, for objects of their own. */
const OF_TRADERS = /^trading_account:/;

describe('The objects of somebody else', () => {
  let service: TestService;
  let operations: Operation[];
  let trader: SignedIn;
  let administrator: SignedIn;
  /** Of another person: what the ids in paths stand for. */
  let theirs: Record<string, string>;

  beforeAll(async () => {
    service = await startService();
    [trader, administrator] = [await newSignedIn(service), await newAdministrator(service)];
    const owner = await newSignedIn(service);
    const { accountId } = await storeAccount(service, owner.userId);
    const robot = await newServiceAccount(service, 'authz:check');
    await give(service, owner.userId, 'user:read');
    const [grant] = await service.db.query<{ id: string }[]>(
      'SELECT id FROM user_permissions WHERE user_id = $1',
      [owner.userId],
    );
    theirs = {
      user_id: owner.userId,
      session_id: owner.sessionId,
      permission_id: grant!.id,
      key_id: (await newKey(service, administrator, robot, ['authz:check'])).keyId,
      trading_account_id: accountId,
      membership_id: await shareAccount(service, accountId, (await newSignedIn(service)).userId, ['view']),
      ...(await theirWebhook(service, administrator)),
      export_id: await theirExport(service, owner),
    };
    operations = await operationsWithIds(service);
  });
  afterAll(() => service.stop());

  const call = (
    { method, path, body }: Operation,
    ids: (name: string) => string,
    { accessToken }: SignedIn,
  ): PromiseLike<Response> => {
    const url = path.replace(/\{(\w+)\}/g, (_, name: string) => ids(name));
    const client: Client = service.client();
    if (method === 'get' || method === 'delete') return client[method](url, accessToken);
    return client[method](url, body, accessToken);
  };

  const answers = async (
    some: Operation[],
    ids: (name: string) => string,
    as: SignedIn,
  ): Promise<unknown[]> => {
    const replies: unknown[] = [];
    for (const operation of some) {
      const { status, body } = await call(operation, ids, as);
      replies.push([operation.name, status, (body as { code?: string }).code]);
    }
    return replies;
  };
  const all = (some: Operation[], status: number, code: string): unknown[] =>
    some.map(({ name }) => [name, status, code]);

  it('have ids that this test knows, of every kind', () => {
    const names = operations.flatMap(({ path }) => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    expect([...new Set(names)].sort()).toEqual(Object.keys(theirs).sort());
  });

  it('are not there for whoever has no permission to administer them', async () => {
    const own = operations.filter(
      ({ name, permission }) => name !== FOR_ALL && (permission === undefined || OF_TRADERS.test(permission)),
    );
    expect(own).not.toEqual([]);
    expect(await answers(own, (name) => theirs[name]!, trader)).toEqual(all(own, 404, 'not_found'));
  });

  it('are refused before it is said whether they exist where a permission is needed', async () => {
    const administration = operations.filter(
      ({ permission }) => permission !== undefined && !OF_TRADERS.test(permission),
    );
    const refused = all(administration, 403, 'permission_denied');
    expect(await answers(administration, (name) => theirs[name]!, trader)).toEqual(refused);
    expect(await answers(administration, () => newId(), trader)).toEqual(refused);
  });

  it.each([
    ['an id that nobody has', () => newId()],
    ['no id', () => 'me2'],
    ['an id and more', () => `${newId()}x`],
    ['a nil id', () => '00000000-0000-0000-0000-000000000000'],
    ['SQL', () => encodeURIComponent("' OR 1=1 --")],
  ])('are not found, by an administrator either: %s', async (_what, id) => {
    const forPeople = operations.filter(({ name }) => name !== FOR_SERVICES);
    expect(await answers(forPeople, id, administrator)).toEqual(all(forPeople, 404, 'not_found'));
  });
});

async function theirExport(service: TestService, { accessToken }: SignedIn): Promise<string> {
  const { body } = await service
    .client()
    .post('/v1/audit/export', { format: 'json' }, accessToken)
    .expect(201);
  return body.export_id;
}

async function theirWebhook(
  service: TestService,
  administrator: SignedIn,
): Promise<{ webhook_id: string; delivery_id: string }> {
  const { id } = await new WebhookAdministration(service, administrator).make();
  const [delivery] = await addDeliveries(service, id, 'dead');
  return { webhook_id: id, delivery_id: delivery! };
}

/** Every operation that asks for a caller and names an object in its path. */
async function operationsWithIds(service: TestService): Promise<Operation[]> {
  const { body } = await service.client().get('/openapi.json').expect(200);
  const { paths, components } = body as OpenAPIObject;
  const schemas = components!.schemas as Record<string, Schema>;
  return Object.entries(paths)
    .filter(([path]) => path.includes('{'))
    .flatMap(([path, methods]) =>
      Object.entries(methods as Record<string, Documented>)
        .filter(([, { security }]) => security !== undefined)
        .map(([method, { description, requestBody }]) => {
          const name = requestBody?.content['application/json']?.schema.$ref?.split('/').at(-1);
          return {
            name: `${method} ${path}`,
            method: method as Operation['method'],
            path,
            permission: /^Needs the permission `([^`]+)`/.exec(description ?? '')?.[1],
            body: exampleOf(name === undefined ? {} : schemas[name]!),
          };
        }),
    );
}

/** Without points in time: those of the examples may lie in the past. Of two tokens a login takes one. */
const exampleOf = ({ properties = {} }: Schema): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(properties)
      .filter(([name, { format }]) => format !== 'date-time' && name !== 'access_token')
      .map(([name, property]) => [name, property.example ?? property.default ?? property.enum?.[0]]),
  );
