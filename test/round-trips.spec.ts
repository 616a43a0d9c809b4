import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { decodeJwt } from 'jose';
import { Client } from 'pg';
import { Principals } from '../src/authz/principals.service';
import { newId } from '../src/common/ids';
import { ImpatientClient } from '../src/infra/database/impatient-client';
import { ImpatientRedis } from '../src/infra/redis/impatient-redis';
import { eventually, startService, TestService } from './support/app';
import { newHolder, settled } from './support/authority';
import { newAdministrator, newSignedIn, SignedIn } from './support/people';
import { newKey, newServiceAccount, withKey } from './support/services';
import { storeAccount } from './support/trading-accounts';

/** What is asked by nobody's request: by senders of mails and webhooks, makers of exports and seals. */
const BACKGROUND = /mail_outbox|webhook|audit_export|event_(chain|relay|seals)/;
/** The proof that every change has been heard of, a few times a second and whatever the requests. */
const LEASE = 'near:{readers}';

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

  /** Until all that can be comes from memory: at first, and on a machine that has no time, Redis is asked. */
  const remembered = (work: () => PromiseLike<unknown>, redis: string[]) =>
    eventually(async () => {
      const counts = await during(work);
      return isDeepStrictEqual(counts.redis, redis) && counts;
    }, 'answers from memory');

  it('of a refresh are one query and one script', async () => {
    expect(await during(() => refresh(member.refreshToken))).toEqual({ postgres: 1, redis: ['evalsha'] });
  });

  it('of accounts that are wanted at the same time are shared, and nobody gets what is another’s', async () => {
    const people = await Promise.all(Array.from({ length: 8 }, () => newSignedIn(service)));
    people.push(await newAdministrator(service), await newHolder(service, ['audit:read']));
    await storeAccount(service, people[2]!.userId);
    await service.db.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [people[5]!.userId]);
    const replies = await Promise.all(
      people.map(({ refreshToken }) =>
        service.client().post('/v1/auth/refresh', { refresh_token: refreshToken }),
      ),
    );
    const owners = replies.map(({ status, body }) =>
      status === 200 ? String(decodeJwt(body.access_token as string).sub) : status,
    );
    expect(owners).toEqual(people.map(({ userId }, i) => (i === 5 ? 401 : `user:${userId}`)));

    const principals = service.app.get(Principals);
    const ids = [...people.map(({ userId }) => userId), newId(), people[2]!.userId.toUpperCase()];
    const alone = await Promise.all(ids.map((id) => principals.load(id, service.db.manager)));
    expect(new Set(alone.map((one) => JSON.stringify([one?.permissions, one?.tradingAccounts]))).size).toBe(
      5,
    );
    const loads = () => asked.postgres.filter((text) => text.includes('"tradingAccounts"')).length;
    await during(async () => expect(await Promise.all(ids.map((id) => principals.load(id)))).toEqual(alone));
    expect(loads()).toBe(1);
    const sixty = Array.from({ length: 60 }, (_, i) => i % ids.length);
    await during(async () =>
      expect(await Promise.all(sixty.map((i) => principals.load(ids[i]!)))).toEqual(
        sixty.map((i) => alone[i]),
      ),
    );
    expect(loads()).toBe(2);
  });

  it('of a guarded GET are its own, and where its session is not remembered one question to Redis before', async () => {
    const { accessToken } = member;
    const me = () => service.client().get('/v1/users/me', accessToken).expect(200);
    const sessions = () => service.client().get('/v1/auth/sessions', accessToken).expect(200);
    await remembered(me, []);
    expect(await remembered(sessions, ['hgetall'])).toEqual({ postgres: 0, redis: ['hgetall'] });
    await service.redis.pexpire(`sessions:{${member.userId}}`, 60_000);
    await sleep(50);
    expect(await during(me)).toEqual({ postgres: 1, redis: ['client', 'hget', 'del'] });
  });

  it('of the keys are none', async () => {
    expect(await during(() => service.client().get('/.well-known/jwks.json').expect(200))).toEqual({
      postgres: 0,
      redis: [],
    });
  });

  it('of a read of credentials are the key, the credentials and their record', async () => {
    const router = await newServiceAccount(service, 'trading_credentials:read');
    const admin = await newAdministrator(service);
    const { apiKey } = await newKey(service, admin, router, ['trading_credentials:read']);
    const { accountId } = await storeAccount(service, member.userId);
    const read = () =>
      withKey(
        service
          .client()
          .post(`/v1/internal/trading-accounts/${accountId}/credentials`, { reason: 'place order' }),
        apiKey,
      ).expect(200);
    await read();
    // Now and then the relay asks something in between.
    const counts = [await during(read), await during(read), await during(read)];
    const least = (some: number[]): number => Math.min(...some);
    expect({
      postgres: least(counts.map(({ postgres }) => postgres)),
      // The limit; what the account may do is remembered.
      redis: least(counts.map(({ redis }) => redis.length)),
    }).toEqual({ postgres: 3, redis: 1 });
  });

  it('of a check are none to PostgreSQL, and one where it names an account', async () => {
    const { accountId } = await storeAccount(service, member.userId);
    const check = (resource?: string) =>
      service
        .client()
        .post('/v1/authz/check', { permission: 'trading_account:view', resource }, member.accessToken)
        .expect(200);
    // Whatever was done for the account is carried out: the relay clears the cache once more.
    await settled(service);
    expect(await remembered(() => check(), [])).toEqual({ postgres: 0, redis: [] });
    const ofAccount = () => check(`trading_account:${accountId}`);
    expect(await remembered(ofAccount, [])).toEqual({ postgres: 1, redis: [] });
    for (const kind of ['sessions', 'authz'])
      await service.redis.pexpire(`${kind}:{${member.userId}}`, 60_000);
    await sleep(50);
    const redis = ['client', 'hget', 'del', 'client', 'evalsha', 'del'];
    expect(await during(() => check())).toEqual({ postgres: 0, redis });
  });

  it('of a sign-in stay few', async () => {
    const { email, password } = member.person;
    const { postgres, redis } = await during(() =>
      service.client().post('/v1/auth/login', { email, password }).expect(200),
    );
    expect({ postgres, redis: redis.length }).toEqual({ postgres: 6, redis: 7 });
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
    const [command] = args as [{ name: string; args: unknown[] }];
    if (this.options.connectionName === 'user_service' && !command.args.includes(LEASE))
      asked.redis.push(command.name);
    return send.apply(this, args);
  };
}
