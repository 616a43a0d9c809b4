import { Client } from 'pg';
import { ImpatientClient } from '../src/infra/database/impatient-client';
import { ImpatientRedis } from '../src/infra/redis/impatient-redis';
import { startService, TestService } from './support/app';
import { newSignedIn, SignedIn } from './support/people';

/** What the mail sender asks by itself now and then. */
const BACKGROUND = /mail_outbox/;

describe('round trips', () => {
  const asked = { postgres: [] as string[], redis: [] as string[] };
  let service: TestService;
  let member: SignedIn;

  beforeAll(async () => {
    listen(asked);
    service = await startService();
    member = await newSignedIn(service);
    // Scripts are loaded once a connection.
    const { body } = await refresh(member.refreshToken);
    member.refreshToken = body.refresh_token;
  });
  afterAll(() => service.stop());

  const refresh = (token: string) =>
    service.client().post('/v1/auth/refresh', { refresh_token: token }).expect(200);

  const during = async (work: () => PromiseLike<unknown>): Promise<{ postgres: number; redis: string[] }> => {
    asked.postgres = [];
    asked.redis = [];
    await work();
    return { postgres: asked.postgres.length, redis: asked.redis };
  };

  it('of a refresh are one query and one script', async () => {
    expect(await during(() => refresh(member.refreshToken))).toEqual({ postgres: 1, redis: ['evalsha'] });
  });

  it('of a guarded GET are one question to Redis before its own', async () => {
    const { accessToken } = member;
    expect(await during(() => service.client().get('/v1/users/me', accessToken).expect(200))).toEqual({
      postgres: 1,
      redis: ['hget'],
    });
    expect(await during(() => service.client().get('/v1/auth/sessions', accessToken).expect(200))).toEqual({
      postgres: 0,
      redis: ['hget', 'hgetall'],
    });
  });

  it('of the keys are none', async () => {
    expect(await during(() => service.client().get('/.well-known/jwks.json').expect(200))).toEqual({
      postgres: 0,
      redis: [],
    });
  });

  it('of a sign-in stay few', async () => {
    const { email, password } = member.person;
    const { postgres, redis } = await during(() =>
      service.client().post('/v1/auth/login', { email, password }).expect(200),
    );
    expect({ postgres, redis: redis.length }).toEqual({ postgres: 8, redis: 7 });
  });
});

/** Notes what the service asks, on top of the real thing. */
function listen(asked: { postgres: string[]; redis: string[] }): void {
  const client = Client.prototype as { query: (...args: unknown[]) => unknown };
  const query = client.query;
  client.query = function (this: unknown, ...args: unknown[]): unknown {
    const [statement] = args as [string | { text: string }];
    const text = typeof statement === 'string' ? statement : statement.text;
    if (this instanceof ImpatientClient && !BACKGROUND.test(text)) asked.postgres.push(text);
    return query.apply(this, args);
  };
  const redis = ImpatientRedis.prototype as { sendCommand: (...args: unknown[]) => unknown };
  const send = redis.sendCommand;
  redis.sendCommand = function (this: ImpatientRedis, ...args: unknown[]): unknown {
    const [command] = args as [{ name: string }];
    if (this.options.connectionName === 'user_service') asked.redis.push(command.name);
    return send.apply(this, args);
  };
}
