import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../../src/common/ids';
import { STREAM_KEY } from '../../src/infra/events/targets/redis-stream';
import { eventually, startService, TestService } from '../support/app';
import { ClusterNode } from '../support/cluster-node';
import { createTestDatabase, TestDatabase } from '../support/database';
import { eventsPublished } from '../support/events-published';
import {
  Answer,
  callAll,
  expectNothingLost,
  expectUnavailable,
  slowest,
  statuses,
  storeless,
} from '../support/outage';
import { isSignedIn, newSignedIn, PASSWORD, SignedIn } from '../support/people';
import { RedisCluster, startRedisCluster } from '../support/redis-cluster';
import { keepFromSaving } from '../support/unsaving-redis';

const OUTAGE_MS = 15_000;

type Call = Parameters<typeof callAll>[1][string];

const get = (path: string, token: string): Call => ({ method: 'GET', path, token });
const post = (path: string, body: object, token?: string): Call => ({ method: 'POST', path, body, token });

describe('while a primary of the Redis Cluster', () => {
  let cluster: RedisCluster;
  let database: TestDatabase;
  let service: TestService;
  /** The one that is killed, and its replica. */
  let primary: ClusterNode;
  let replica: ClusterNode;

  beforeAll(async () => {
    [cluster, database] = await Promise.all([startRedisCluster(), createTestDatabase()]);
    service = await startService(
      {
        RATELIMIT_REFRESH_ATTEMPTS: '1000',
        RATELIMIT_LOGIN_ATTEMPTS: '1000',
        REFRESH_GRACE_SECONDS: '60',
      },
      { ...database, redisUrl: cluster.redisUrl },
    );
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await database.drop();
    await cluster.stop();
  });
  beforeEach(() => cluster.whole());
  afterEach(async () => {
    await primary.restart();
  });

  /** The primary that the next test ends: that of the event stream, or another one. */
  const choose = async (isStreams: boolean): Promise<void> => {
    const stream = await cluster.serving(STREAM_KEY);
    do {
      ({ primary, replica } = await cluster.serving(isStreams ? STREAM_KEY : newId()));
    } while ((primary === stream.primary) !== isStreams);
  };

  /** Somebody whose sessions are on the primary, or on another one. */
  const somebody = async (isThere: boolean): Promise<SignedIn> => {
    for (;;) {
      const person = await newSignedIn(service);
      if (((await cluster.serving(key(person))).primary === primary) === isThere) return person;
    }
  };

  const logout = ({ accessToken }: SignedIn) =>
    service.client().post('/v1/auth/logout', {}, accessToken).expect(200);

  const refresh = async ({ refreshToken }: { refreshToken: string }) => {
    const { status, body } = await service.client().post('/v1/auth/refresh', { refresh_token: refreshToken });
    return { status, refreshToken: body.refresh_token as string };
  };

  it('can save nothing, and no other node can, what only reads goes on, and the instance stays ready', async () => {
    await choose(false);
    const { accessToken, person } = await somebody(true);
    const calls = {
      me: get('/v1/users/me', accessToken),
      sessions: get('/v1/auth/sessions', accessToken),
      login: post('/v1/auth/login', { email: person.email, password: PASSWORD }),
    };
    const ends = await Promise.all(cluster.nodes.map(({ redis }) => keepFromSaving(redis)));
    try {
      // Also what is no write, and asks whether anybody is there.
      expect(await primary.redis.ping().catch((error: Error) => error.message)).toMatch(/^MISCONF/);
      expect(statuses(await callAll(service, calls))).toEqual({ me: 200, sessions: 200, login: 503 });
      await service.client().get('/health/ready').expect(200);
    } finally {
      await Promise.all(ends.map((end) => end()));
    }
    await eventually(
      async () => statuses(await callAll(service, calls)).login === 200,
      'sign-ins after saving works again',
    );
    await primary.kill();
  });

  it('is killed, its slots are a 503 and nothing else is, and its replica takes over', async () => {
    await choose(true);
    const [member, ended, elsewhere, leaving] = [
      await somebody(true),
      await somebody(true),
      await somebody(false),
      await somebody(false),
    ];
    await logout(ended);
    await primary.redis.wait(1, 2_000);
    const others = {
      me: get('/v1/users/me', elsewhere.accessToken),
      sessions: get('/v1/auth/sessions', elsewhere.accessToken),
      check: post('/v1/authz/check', { permission: 'user:read' }, elsewhere.accessToken),
    };
    const theirs = {
      me: get('/v1/users/me', member.accessToken),
      check: post('/v1/authz/check', { permission: 'user:read' }, member.accessToken),
      refresh: post('/v1/auth/refresh', { refresh_token: member.refreshToken }),
      update: { method: 'PATCH', path: '/v1/users/me', body: { name: 'Asha R.' }, token: member.accessToken },
      login: post('/v1/auth/login', { email: member.person.email, password: PASSWORD }),
      'wrong password': post('/v1/auth/login', { email: member.person.email, password: 'Wrong-Password-1!' }),
      ended: get('/v1/users/me', ended.accessToken),
      'refresh of an ended session': post('/v1/auth/refresh', { refresh_token: ended.refreshToken }),
    };
    const WELL = {
      me: 200,
      check: 200,
      refresh: 200,
      update: 200,
      login: 200,
      'wrong password': 401,
      ended: 401,
      'refresh of an ended session': 401,
    };
    const answers: Answer[] = [];
    const ask = async (): Promise<Record<string, number>> => {
      const [there, here, without] = await Promise.all(
        [theirs, others, storeless].map((calls) => callAll(service, calls)),
      );
      answers.push(...there!, ...here!, ...without!);
      expect(new Set([...here!, ...without!].map(({ status }) => status))).toEqual(new Set([200]));
      return statuses(there!);
    };
    expect(await ask()).toEqual(WELL);

    await primary.kill();
    const seen: Record<string, number>[] = [await ask()];
    await logout(leaving);
    const deadline = Date.now() + OUTAGE_MS;
    while (Date.now() < deadline && JSON.stringify(seen.at(-1)) !== JSON.stringify(WELL)) {
      await sleep(100);
      seen.push(await ask());
    }
    for (let i = 0; i < 10; i++) {
      await sleep(50);
      expect(await ask()).toEqual(WELL);
    }

    expect(seen[0]).toMatchObject({ me: 503, refresh: 503, ended: 503 });
    for (const round of seen) {
      for (const [call, status] of Object.entries(round)) {
        expect([call, [503, WELL[call as keyof typeof WELL]].includes(status)]).toEqual([call, true]);
      }
    }
    expectUnavailable(answers);
    expect(slowest(answers)).toBeLessThan(2_000);
    expect(await isSignedIn(service, leaving.accessToken)).toBe(false);
    await expectNothingLost(service);
  });

  it('hangs, nobody waits for it longer than two seconds, and its replica takes over', async () => {
    await choose(false);
    const [member, elsewhere] = [await somebody(true), await somebody(false)];
    const calls = { me: get('/v1/users/me', member.accessToken) };
    const others = { me: get('/v1/users/me', elsewhere.accessToken) };
    primary.freeze();
    const rounds: Answer[] = [];
    for (const deadline = Date.now() + OUTAGE_MS; Date.now() < deadline; await sleep(50)) {
      const [there, here] = await Promise.all([callAll(service, calls), callAll(service, others)]);
      rounds.push(...there, ...here);
      expect(here[0]!.status).toBe(200);
      if (there[0]!.status === 200) break;
    }
    expect(rounds.at(-2)!.status).toBe(200);
    expectUnavailable(rounds);
    expect(slowest(rounds)).toBeLessThan(2_000);
    // It wakes up as a primary, and is told that it is none any more.
    primary.thaw();
    for (let i = 0; i < 20; i++, await sleep(50)) {
      expect(statuses(await callAll(service, calls))).toEqual({ me: 200 });
    }
    await primary.kill();
  });

  it('dies with writes that its replica has not got, no ended session lives on, and whoever has refreshed goes on', async () => {
    await choose(false);
    const [leaver, rotating] = [await somebody(true), await somebody(true)];
    await primary.redis.wait(1, 2_000);
    replica.freeze();
    await primary.redis.client('KILL', 'TYPE', 'replica');
    await logout(leaver);
    const rotated = await refresh(rotating);
    expect(rotated.status).toBe(200);
    // It has been carried out once, and nothing that comes later will have it done again but the failover.
    await eventually(() => eventsPublished((sql) => service.db.query(sql)), 'all events to be published');
    await primary.kill();
    replica.thaw();

    await eventually(
      async () => (await refresh(rotated)).status === 200,
      'the replica to take over',
      OUTAGE_MS,
    );
    await eventually(
      async () => (await service.client().get('/v1/users/me', leaver.accessToken)).status === 401,
      'the relay to end the session again',
    );
    expect(await service.redis.hexists(key(leaver), leaver.sessionId)).toBe(0);
    expect((await refresh(leaver)).status).toBe(401);
    expect(await isSignedIn(service, rotating.accessToken)).toBe(true);
    await expectNothingLost(service);
  });
});

const key = ({ userId }: SignedIn): string => `sessions:{${userId}}`;
