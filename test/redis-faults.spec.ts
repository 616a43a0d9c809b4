import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { systemCaller } from '../src/common/caller';
import { Events } from '../src/infra/events/events';
import { LEASE_MS } from '../src/infra/near/near-lease';
import { SessionStore } from '../src/sessions/session-store';
import { eventually, startService, TestService } from './support/app';
import {
  Answer,
  callAll,
  callsOf,
  Cast,
  castFor,
  eventCounts,
  expectNothingLost,
  expectRecovery,
  expectUnavailable,
  slowest,
  statuses,
  storeless,
} from './support/outage';
import { newSignedIn } from './support/people';
import { OwnServers, startOwnServers } from './support/servers';
import { keepFromSaving } from './support/unsaving-redis';

const GRACE_SECONDS = 2;
/** As Redis holds one, of epoch 1. */
const SESSION = `1 0 0 ${4e12} ${4e12} 1 1 0 0 0`;

/** Nobody gets in; a mailed token proves an address without Redis. */
const WITHOUT_REDIS = {
  me: 503,
  sessions: 503,
  register: 503,
  login: 503,
  'wrong password': 503,
  refresh: 503,
  'ended session': 503,
  'refresh of an ended session': 503,
  'update profile': 503,
  'reset request': 503,
  reset: 503,
  logout: 503,
};

/** Reading needs no disk. */
const WITHOUT_DISK = {
  ...WITHOUT_REDIS,
  me: 200,
  sessions: 200,
  'ended session': 401,
  'refresh of an ended session': 401,
  'update profile': 200,
};

/** Reading and ending sessions needs no memory; opening, rotating and counting does. */
const WITHOUT_MEMORY = {
  ...WITHOUT_REDIS,
  me: 200,
  sessions: 200,
  'ended session': 401,
  'refresh of an ended session': 401,
  'update profile': 200,
  logout: 200,
};

describe('while Redis', () => {
  let servers: OwnServers;
  let service: TestService;
  let operator: Redis;
  let cast: Cast;
  let before: Record<string, number>;

  beforeAll(async () => {
    servers = await startOwnServers();
    service = await startService(
      {
        RATELIMIT_REFRESH_ATTEMPTS: '1000',
        RATELIMIT_PASSWORD_RESET_ATTEMPTS: '1000',
        REFRESH_GRACE_SECONDS: String(GRACE_SECONDS),
      },
      { ...servers, drop: () => Promise.resolve() },
    );
    operator = new Redis(servers.redisUrl, { maxRetriesPerRequest: null });
    operator.on('error', () => undefined);
  }, 60_000);
  afterAll(async () => {
    operator.disconnect();
    await service.stop();
    await servers.stop();
  });
  beforeEach(async () => {
    cast = await castFor(service);
    before = await eventCounts(service);
  });

  const calls = () => {
    const { 'verify email': _, ...rest } = callsOf(cast);
    return rest;
  };

  /** Every call at once, then each four times at once. */
  const outage = async (): Promise<void> => {
    const rounds: Answer[][] = [];
    for (const times of [1, 4]) {
      const answers = await Promise.all(Array.from({ length: times }, () => callAll(service, calls())));
      for (const round of answers) expect(statuses(round)).toEqual(WITHOUT_REDIS);
      rounds.push(...answers);
    }
    expect(statuses(await callAll(service, storeless))).toEqual({
      keys: 200,
      'keys under /v1/auth': 200,
      live: 200,
    });
    for (const round of rounds) {
      expectUnavailable(round);
      expect(slowest(round)).toBeLessThan(2_000);
    }
    expect(await eventCounts(service)).toEqual(before);
  };

  const recovery = async (): Promise<void> => {
    await expectRecovery(service, cast);
    await expectNothingLost(service);
  };

  it('hangs, everything that needs it answers 503 within two seconds, and works again by itself', async () => {
    servers.freezeRedis();
    await outage();
    servers.thawRedis();
    await recovery();
  });

  it('hangs under load, works again once and for all', async () => {
    const { sessions, me } = callsOf(cast);
    const answers: (Answer & { at: number })[] = [];
    let loading = true;
    const load = Array.from({ length: 20 }, async () => {
      while (loading) {
        for (const answer of await callAll(service, { sessions: sessions!, me: me! })) {
          answers.push({ ...answer, at: performance.now() });
        }
      }
    });
    await sleep(300);
    servers.freezeRedis();
    await sleep(1_500);
    servers.thawRedis();
    await eventually(async () => answers.at(-1)?.status === 200, 'recovery');
    const recovered = performance.now();
    await sleep(2_500);
    loading = false;
    await Promise.all(load);

    expect(slowest(answers)).toBeLessThan(2_000);
    expectUnavailable(answers);
    // What was under way when it came back may still fail.
    const later = answers.filter(({ at }) => at > recovered + 1_000);
    expect(later.length).toBeGreaterThan(100);
    expect(later.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it('is killed, everything that needs it answers 503 at once, and works again by itself', async () => {
    await servers.killRedis();
    await outage();
    await servers.restartRedis();
    await recovery();
  });

  it('has no connection to give, everything that needs it answers 503, and works again by itself', async () => {
    await operator.config('SET', 'maxclients', '1');
    await operator.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await outage();
    await operator.config('SET', 'maxclients', '1000');
    await recovery();
  });

  it('is out of memory, what would write answers 503, sessions can be read and ended, and all works again', async () => {
    await operator.config('SET', 'maxmemory', '1');
    const { logout, ...rest } = calls();
    const answers = await callAll(service, rest);
    answers.push(...(await callAll(service, { logout: logout! })));
    await operator.config('SET', 'maxmemory', '0');
    expect(statuses(answers)).toEqual(WITHOUT_MEMORY);
    expectUnavailable(answers);
    cast = await castFor(service);
    await recovery();
  });

  it('cannot save, what would write answers 503, signed-in people go on reading, and all works again', async () => {
    const works = await keepFromSaving(operator);
    const { me } = callsOf(cast);
    await expect(operator.hset('key', 'field', 'value')).rejects.toThrow('MISCONF');
    const answers = await callAll(service, calls());
    // Longer than what was remembered before may be used.
    await sleep(2 * LEASE_MS);
    answers.push(...(await callAll(service, { me: me! })));
    const { status: readiness } = await service.client().get('/health/ready');
    await works();
    expect(statuses(answers)).toEqual(WITHOUT_DISK);
    expectUnavailable(answers);
    // Or nobody would be sent where reading goes on.
    expect(readiness).toBe(200);
    cast = await castFor(service);
    await recovery();
  });

  it('is out of memory, sessions end although others of the same user stay, whichever Redis names first', async () => {
    const users = Array.from({ length: 12 }, () => `sessions:{${randomUUID()}}`);
    for (const user of users) await operator.hset(user, { stays: SESSION, ends: SESSION, goes: SESSION });
    await operator.config('SET', 'maxmemory', '1');
    const store = service.app.get(SessionStore);
    for (const user of users)
      await store.revokeBefore(user.slice(10, -1), 2, ['stays']).catch(() => undefined);
    const left = await Promise.all(users.map(async (user) => (await operator.hkeys(user)).join()));
    await operator.config('SET', 'maxmemory', '0');
    expect(new Set(left)).toEqual(new Set(['stays']));
    await recovery();
  });

  it('hangs for longer than the grace of a refresh token, clients that try again stay signed in', async () => {
    const refresh = callsOf(cast).refresh!;
    servers.freezeRedis();
    await callAll(service, { refresh });
    await sleep(GRACE_SECONDS * 1000);
    await callAll(service, { refresh });
    servers.thawRedis();
    await recovery();
  });

  it('comes back empty, everybody signs in again and nobody gets in', async () => {
    await servers.killRedis();
    rmSync(appendOnlyFolder(servers), { recursive: true });
    await servers.restartRedis();
    const { me, refresh, 'ended session': ended, login } = callsOf(cast);
    const held = { me: me!, refresh: refresh!, ended: ended! };
    await eventually(async () => (await callAll(service, { me: me! }))[0]?.status !== 503, 'recovery');
    expect(statuses(await callAll(service, held))).toEqual({ me: 401, refresh: 401, ended: 401 });
    expect(statuses(await callAll(service, { login: login! }))).toEqual({ login: 200 });
  });

  it('comes back as an older copy of itself, sessions that ended since then stay ended', async () => {
    const folder = appendOnlyFolder(servers);
    const { userId, sessionId, accessToken } = cast.member;
    execFileSync('cp', ['-a', folder, `${folder}.copy`]);
    await service.client().post('/v1/auth/logout', {}, accessToken).expect(200);
    await servers.killRedis();
    rmSync(folder, { recursive: true });
    execFileSync('cp', ['-a', `${folder}.copy`, folder]);
    await servers.restartRedis();

    const { me, refresh } = callsOf(cast);
    const seen = new Set<number>();
    await eventually(async () => {
      const [answer] = await callAll(service, { me: me! });
      seen.add(answer!.status);
      return answer!.status === 401;
    }, 'the session to be over again');
    expect(seen).not.toContain(200);
    expect(await service.redis.hexists(`sessions:{${userId}}`, sessionId)).toBe(0);
    expect(statuses(await callAll(service, { refresh: refresh! }))).toEqual({ refresh: 401 });
  });

  it('is away, a revocation that PostgreSQL has committed is carried out as soon as it is back', async () => {
    const { userId, sessionId, accessToken } = await newSignedIn(service);
    servers.freezeRedis();
    // What is left of a request whose Redis failed right after its commit.
    await service.db.transaction((tx) =>
      service.app.get(Events).record(tx, systemCaller('request-1'), {
        type: 'session.revoked',
        subject: `user:${userId}`,
        data: { reason: 'revoked_by_admin', session_ids: [sessionId] },
      }),
    );
    servers.thawRedis();
    await eventually(
      async () => (await service.client().get('/v1/users/me', accessToken)).status === 401,
      'the session to end',
      5_000,
    );
  });
});

/** All that Redis remembers. */
function appendOnlyFolder({ dataDir }: OwnServers): string {
  return `${dataDir}/redis/appendonlydir`;
}
