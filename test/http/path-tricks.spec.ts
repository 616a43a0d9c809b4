import { ExecutionContext } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import { newId } from '../../src/common/ids';
import { PermissionGuard } from '../../src/doors/http/permission.guard';
import { PUBLIC } from '../../src/infra/http/public.decorator';
import { startService, TestService } from '../support/app';
import { pathTricks, Trick } from '../support/path-tricks';
import { newSignedIn, SignedIn } from '../support/people';
import { exchange, RawReply, rawRequest } from '../support/raw-http';

const AT_ONCE = 16;

interface Documented {
  description?: string;
  security?: object[];
}

interface Target {
  method: string;
  path: string;
  /** That it needs, where it needs one. */
  permission?: string;
}

describe('No way to write a path', () => {
  let service: TestService;
  let guarded: Target[];
  let trader: SignedIn;
  /** Handlers behind the guards that were let in. */
  let reached: string[];

  beforeAll(async () => {
    service = await startService();
    trader = await newSignedIn(service);
    const victim = await newSignedIn(service);
    guarded = await guardedOperations(service, victim);
    watchGuards();
  });
  afterAll(() => service.stop());
  beforeEach(() => {
    reached = [];
  });

  /** Notes what gets past the last guard: it is in the handler then. */
  function watchGuards(): void {
    const guard = PermissionGuard.prototype as {
      canActivate: (context: ExecutionContext) => Promise<boolean>;
    };
    const ask = guard.canActivate.call.bind(guard.canActivate);
    guard.canActivate = async function (this: PermissionGuard, context) {
      const isIn = (await ask(this, context)) as boolean;
      const [handler, controller] = [context.getHandler(), context.getClass()];
      const isPublic = [handler, controller].some((each) => Reflect.getMetadata(PUBLIC, each) === true);
      if (isIn && !isPublic) reached.push(`${controller.name}.${handler.name}`);
      return isIn;
    };
  }

  const send = async ({ method, target, headers }: Trick, token?: string): Promise<RawReply> => {
    const authorization = token !== undefined && { Authorization: `Bearer ${token}` };
    return exchange(service.url, rawRequest(method, target, { ...headers, ...authorization }));
  };

  /** What came back to each, a few at a time. */
  async function sendAll(tricks: Trick[], token?: string): Promise<{ trick: Trick; reply: RawReply }[]> {
    const replies: { trick: Trick; reply: RawReply }[] = [];
    for (let from = 0; from < tricks.length; from += AT_ONCE) {
      const some = tricks.slice(from, from + AT_ONCE);
      replies.push(
        ...(await Promise.all(some.map(async (trick) => ({ trick, reply: await send(trick, token) })))),
      );
    }
    return replies;
  }

  /** A preflight of CORS, which is no answer of a route. */
  const isPreflight = ({ method }: Trick, { status, body }: RawReply): boolean =>
    method === 'OPTIONS' && status === 204 && body === '';

  const surprising = (
    replies: { trick: Trick; reply: RawReply }[],
    allowed: Record<number, string>,
  ): string[] =>
    replies
      .filter(({ trick, reply }) => !isPreflight(trick, reply))
      .filter(({ trick, reply }) => {
        const expected = allowed[reply.status];
        if (expected === undefined) return true;
        return trick.method !== 'HEAD' && (JSON.parse(reply.body) as { code: string }).code !== expected;
      })
      .map(({ trick, reply }) => `${trick.method} ${trick.target}: ${reply.status} ${reply.body}`);

  const REFUSED = { 400: 'malformed_request', 401: 'not_authenticated', 404: 'not_found' };

  it('there are guarded operations, and each refuses the plain request', async () => {
    expect(guarded.length).toBeGreaterThan(10);
    const replies = await sendAll(guarded.map(({ method, path }) => ({ method, target: path })));
    expect(surprising(replies, { 401: 'not_authenticated' })).toEqual([]);
    expect(reached).toEqual([]);
  });

  it('but the plain one, with a token, gets into a handler', async () => {
    const { status } = await send({ method: 'GET', target: '/v1/users/me' }, trader.accessToken);
    expect([status, reached]).toEqual([200, ['UsersController.me']]);
  });

  it.each(Object.entries(pathTricks))(
    'gets anybody without a token past a guard: %s',
    async (_name, tricks) => {
      const all = guarded.flatMap(({ method, path }) => tricks(method, path));
      expect(surprising(await sendAll(all), REFUSED)).toEqual([]);
      expect(reached).toEqual([]);
    },
  );

  it.each(Object.entries(pathTricks))('gets a trader into administration: %s', async (_name, tricks) => {
    const own = await service.client().get('/v1/users/me', trader.accessToken).expect(200);
    const administration = guarded.filter(
      ({ permission }) => permission !== undefined && !own.body.permissions.includes(permission),
    );
    reached = [];
    expect(administration.length).toBeGreaterThan(10);
    const all = administration.flatMap(({ method, path }) => [
      { method, target: path },
      // With another method the same path may be one of the trader's own routes.
      ...tricks(method, path).filter(
        (trick) => trick.method === method || (trick.method === 'HEAD' && method === 'GET'),
      ),
    ]);
    const replies = await sendAll(all, trader.accessToken);
    expect(
      surprising(replies, { 400: 'malformed_request', 403: 'permission_denied', 404: 'not_found' }),
    ).toEqual([]);
    expect(reached).toEqual([]);
  });

  it('turns a public route into another one: headers that name a path change nothing', async () => {
    for (const path of ['/health/live', '/.well-known/jwks.json']) {
      const plain = await send({ method: 'GET', target: path });
      for (const { path: other } of guarded) {
        const headers = { 'X-Original-URL': other, 'X-Rewrite-URL': other, 'X-Forwarded-Uri': other };
        const reply = await send({ method: 'GET', target: path, headers });
        expect([reply.status, reply.body]).toEqual([plain.status, plain.body]);
      }
    }
    expect(reached).toEqual([]);
  });
});

/** Every operation that asks for a caller, with somebody else's ids in its path. */
async function guardedOperations(service: TestService, victim: SignedIn): Promise<Target[]> {
  const { body } = await service.client().get('/openapi.json').expect(200);
  const { paths } = body as OpenAPIObject;
  const ids: Record<string, string> = { user_id: victim.userId, session_id: victim.sessionId };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Documented>)
      .filter(([, { security }]) => security !== undefined)
      .map(([method, { description }]) => ({
        method: method.toUpperCase(),
        path: path.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? newId()),
        permission: /^Needs the permission `([^`]+)`/.exec(description ?? '')?.[1],
      })),
  );
}
