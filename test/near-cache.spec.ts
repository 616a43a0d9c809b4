import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { Config, loadConfig } from '../src/config/config';
import { NearEntries } from '../src/infra/near/near-entries';
import { LEASE_MS, NearLease } from '../src/infra/near/near-lease';
import { RedisReplica } from './drill/redis-replica';
import { startAddress } from './support/address';
import { eventually, startService, TestService } from './support/app';
import { setRoles } from './support/authority';
import { NearInstance } from './support/near-instance';
import { newAdministrator, PASSWORD, register, SignedIn, signIn } from './support/people';
import { OwnServers, startOwnServers } from './support/servers';

const READERS = 'near:{readers}';
/** More than a lease, and what it takes to be told so on a busy machine. */
const SOON_MS = 3 * LEASE_MS;

describe('what a process remembers of Redis', () => {
  let servers: OwnServers;
  let config: Config;
  let operator: Redis;
  let [one, other]: NearInstance[] = [];
  let keys = 0;
  let key: string;

  beforeAll(async () => {
    servers = await startOwnServers();
    config = loadConfig({ DATABASE_URL: servers.databaseUrl, REDIS_URL: servers.redisUrl });
    operator = new Redis(servers.redisUrl);
    operator.on('error', () => undefined);
    [one, other] = [await NearInstance.start(config), await NearInstance.start(config)];
  }, 60_000);
  afterAll(async () => {
    await one!.stop();
    await other!.stop();
    operator.disconnect();
    await servers.stop();
  });
  beforeEach(async () => {
    key = `key:${++keys}`;
    await eventually(() => operator.hset(key, 'value', 'old').catch((): null => null), 'Redis');
  });

  const isForgotten = () =>
    eventually(async () => other!.remembered(key) === undefined, 'to be told', SOON_MS);

  describe('is forgotten when', () => {
    it.each<[string, () => Promise<unknown>]>([
      ['somebody writes it', () => operator.hset(key, 'value', 'new')],
      ['a script does', () => operator.eval(`redis.call('HSET', KEYS[1], 'value', 'new')`, 1, key)],
      ['it writes it itself', () => other!.redis.hset(key, 'value', 'new')],
      ['it is deleted', () => operator.del(key)],
      ['it expires', async () => operator.pexpire(key, 20)],
      ['everything is deleted', () => operator.flushall()],
      ['Redis cuts the connection it listens on', () => operator.client('KILL', 'TYPE', 'pubsub')],
      ['Redis cuts the connection it reads on', () => operator.client('KILL', 'TYPE', 'normal')],
      [
        'Redis is killed and started again',
        async () => {
          await servers.killRedis();
          await servers.restartRedis();
        },
      ],
    ])(
      '%s; then it is read, and remembered again',
      async (_when, change) => {
        await other!.heat(key);
        await change();
        await isForgotten();
        await eventually(() => operator.hset(key, 'value', 'newer').catch((): null => null), 'Redis');
        await other!.heat(key);
        expect(other!.remembered(key)).toBe('newer');
      },
      30_000,
    );
  });

  it('is nobody’s any more once the change is reported: 300 changes among readers that never rest', async () => {
    const third = await NearInstance.start(config);
    const readers = [one!, other!, third];
    let reported = 0;
    let isOver = false;
    const seen = { late: [] as string[], remembered: 0, read: 0 };
    const look = async (reader: NearInstance): Promise<void> => {
      const least = reported;
      const kept = reader.remembered(key);
      const value = Number(kept ?? (await reader.read(key)));
      if (value < least) seen.late.push(`${value} after ${least}, remembered: ${kept !== undefined}`);
      if (kept === undefined) seen.read++;
      else seen.remembered++;
    };
    const watch = async (reader: NearInstance): Promise<void> => {
      while (!isOver) {
        await look(reader);
        await (Math.random() < 0.5 ? sleep(Math.random() * 2) : new Promise(setImmediate));
      }
    };
    await one!.write(key, '0');
    for (const reader of readers) await reader.heat(key);
    const watching = readers.flatMap((reader) => [watch(reader), watch(reader)]);
    for (let number = 1; number <= 300; number++) {
      await readers[number % 3]!.write(key, String(number));
      reported = number;
      await Promise.all(readers.map(look));
    }
    isOver = true;
    await Promise.all(watching);
    await third.stop();
    expect(seen.late).toEqual([]);
    expect(seen.remembered).toBeGreaterThan(1_000);
  }, 60_000);

  it('is nobody’s any more, whatever connections Redis cuts meanwhile', async () => {
    let reported = 0;
    let isOver = false;
    const late: string[] = [];
    let remembered = 0;
    const watch = async (reader: NearInstance): Promise<void> => {
      while (!isOver) {
        const least = reported;
        const kept = reader.remembered(key);
        const value = kept ?? (await reader.read(key).catch(() => null));
        if (value !== null && Number(value) < least) late.push(`${value} after ${least}`);
        if (kept !== undefined) remembered++;
        await new Promise(setImmediate);
      }
    };
    await one!.write(key, '0');
    const watching = [one!, other!, other!].map(watch);
    const ids = async (): Promise<string[]> =>
      [...String(await operator.client('LIST')).matchAll(/^id=(\d+) .* name=user_service(?::near)? /gm)].map(
        ([, id]) => id!,
      );
    for (let number = 1; number <= 30; number++) {
      if (number % 3 === 0) {
        const all = await ids();
        // In one packet with the change: whoever is cut cannot know of it yet.
        void operator.client('KILL', 'ID', all[Math.floor(Math.random() * all.length)] ?? '0').catch(() => 0);
      }
      await operator.hset(key, 'value', number);
      await one!.near.changed(key);
      reported = number;
      await sleep(Math.random() * 60);
    }
    isOver = true;
    await Promise.all(watching);
    expect(late).toEqual([]);
    expect(remembered).toBeGreaterThan(100);
  }, 60_000);

  it('is not used by a process that stood still while it changed', async () => {
    const child = fork(join(__dirname, 'support/near-process.js'), {
      env: { ...process.env, NEAR_CONFIG: JSON.stringify(config) },
    });
    try {
      await once(child, 'message');
      const ask = async (): Promise<{ value: string; remembered: boolean }> => {
        child.send(key);
        const [answer] = (await once(child, 'message')) as [{ value: string; remembered: boolean }];
        return answer;
      };
      for (let round = 1; round <= 3; round++) {
        await eventually(async () => (await ask()).remembered, 'an answer from memory');
        child.kill('SIGSTOP');
        const began = performance.now();
        await one!.write(key, String(round));
        expect(performance.now() - began).toBeGreaterThan(LEASE_MS);
        expect(performance.now() - began).toBeLessThan(SOON_MS);
        const answer = ask();
        child.kill('SIGCONT');
        expect((await answer).value).toBe(String(round));
      }
    } finally {
      child.kill('SIGCONT');
      child.disconnect();
      await once(child, 'exit');
    }
  }, 30_000);

  it('is waited for in full where Redis has lost who reads', async () => {
    await sleep(LEASE_MS + 100);
    await other!.heat(key);
    const wait = (): Promise<number> => timeOf(() => one!.write(key, 'new'));
    await eventually(async () => (await wait()) < LEASE_MS / 2, 'a short wait');
    await operator.del(READERS);
    expect(await wait()).toBeGreaterThan(LEASE_MS);
    await operator.hset(READERS, ':process', 'another');
    expect(await wait()).toBeGreaterThan(LEASE_MS);
  });

  it('is used for a lease at most by whoever hears nothing of Redis, and a change is reported after one', async () => {
    await other!.heat(key);
    servers.freezeRedis();
    try {
      const began = performance.now();
      let last = began;
      const changing = one!.near.changed(key).then(() => performance.now() - began);
      while (performance.now() - began < 2 * LEASE_MS) {
        if (other!.remembered(key) !== undefined) last = performance.now();
        await sleep(2);
      }
      expect(last - began).toBeLessThanOrEqual(LEASE_MS);
      expect(await changing).toBeGreaterThan(LEASE_MS);
      expect(await changing).toBeLessThan(SOON_MS);
      await expect(other!.read(key)).rejects.toThrow();
    } finally {
      servers.thawRedis();
    }
    await other!.heat(key);
  }, 30_000);

  it.each([
    ['follow', ['~*', '+@all', '-client|tracking']],
    ['choose what to follow', ['~*', '+@all', '-client|caching']],
    ['answer', ['~*', '+@all', '-publish']],
    ['register', ['~key:*', '~sessions:*', '+@all']],
  ])('is nothing where Redis lets nobody %s, which is said once', async (_what, rules) => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    await operator.acl('SETUSER', 'narrow', 'reset', 'on', '>secret', '&*', ...rules);
    const url = Object.assign(new URL(servers.redisUrl), { username: 'narrow', password: 'secret' }).href;
    const narrow = await NearInstance.start({ ...config, REDIS_URL: url });
    const look = async (): Promise<void> => {
      expect(await narrow.read(key)).toBe('old');
      expect(narrow.remembered(key)).toBeUndefined();
      await sleep(10);
    };
    await eventually(async () => look().then(() => warn.mock.calls.length > 0), 'a warning');
    for (const until = Date.now() + LEASE_MS; Date.now() < until;) await look();
    expect(warn.mock.calls).toEqual([[expect.stringContaining('nothing is kept in memory')]]);
    warn.mockRestore();
    await narrow.stop();
  });

  it('keeps nobody waiting where Redis lets nobody follow, nor anybody for who may not answer', async () => {
    await operator.acl(
      'SETUSER',
      'narrow',
      'reset',
      'on',
      '>secret',
      '&*',
      '~*',
      '+@all',
      '-client|tracking',
    );
    await operator.acl('SETUSER', 'mute', 'reset', 'on', '>secret', '&*', '~*', '+@all', '-publish');
    const [narrow, mute] = await Promise.all(
      ['narrow', 'mute'].map((username) => {
        const url = Object.assign(new URL(servers.redisUrl), { username, password: 'secret' }).href;
        return NearInstance.start({ ...config, REDIS_URL: url });
      }),
    );
    await narrow!.read(key);
    await mute!.read(key);
    await sleep(LEASE_MS / 2);
    for (const asking of [one!, narrow!])
      await eventually(
        async () => (await timeOf(() => asking.near.changed(key))) < LEASE_MS / 2,
        'no wait',
        3 * LEASE_MS,
      );
    await narrow!.stop();
    await mute!.stop();
  });

  it('is nothing while its two connections lead to different servers, and is something again once they do not', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const address = await startAddress(servers.redisUrl);
    const elsewhere = await RedisReplica.start({ servers, redis: operator });
    await elsewhere.standAlone();
    const torn = await NearInstance.start({ ...config, REDIS_URL: address.url });
    const bystander = new Redis(servers.redisUrl);
    try {
      // So that what listens there has the number of somebody who is here.
      const number = await bystander.client('ID');
      for (let last = 0; last < number - 1;) {
        const visitor = new Redis(elsewhere.url);
        last = await visitor.client('ID');
        visitor.disconnect();
        expect(last).toBeLessThan(number);
      }
      address.leadTo(elsewhere.url);
      for (const until = Date.now() + SOON_MS; Date.now() < until; await sleep(20)) {
        expect(await torn.read(key)).toBe('old');
        expect(torn.remembered(key)).toBeUndefined();
      }
      expect(warn.mock.calls).toEqual([[expect.stringContaining('different servers')]]);
      address.leadTo(servers.redisUrl);
      await torn.heat(key);
      await operator.hset(key, 'value', 'new');
      await eventually(async () => torn.remembered(key) === undefined, 'to be told', SOON_MS);
    } finally {
      bystander.disconnect();
      await torn.stop();
      await elsewhere.stop();
      address.stop();
      warn.mockRestore();
    }
  }, 30_000);

  it('waits for nobody who has stopped in order', async () => {
    const third = await NearInstance.start(config);
    await third.heat(key);
    await third.stop();
    expect(third.remembered(key)).toBeUndefined();
    await eventually(
      async () => (await timeOf(() => one!.write(key, 'new'))) < LEASE_MS / 2,
      'a short wait',
      LEASE_MS * 4,
    );
  });

  describe('on two instances of the service', () => {
    let [here, there]: TestService[] = [];
    let admin: SignedIn;
    beforeAll(async () => {
      const stores = {
        databaseUrl: servers.databaseUrl,
        redisUrl: servers.redisUrl,
        drop: () => Promise.resolve(),
      };
      here = await startService({}, stores);
      there = await here.another();
      admin = await newAdministrator(here);
    }, 30_000);
    afterAll(async () => {
      await there!.stop();
      await here!.stop();
    });

    const me = async ({ accessToken }: SignedIn) =>
      (await there!.client().get('/v1/users/me', accessToken)).status;
    const list = async ({ accessToken }: SignedIn) =>
      (await there!.client().get('/v1/users?limit=1', accessToken)).status;

    it.each<
      [string, (victim: SignedIn) => Promise<unknown>, ((victim: SignedIn) => Promise<number>)?, number?]
    >([
      ['a sign-out', (victim) => here!.client().post('/v1/auth/logout', {}, victim.accessToken).expect(200)],
      [
        'a sign-out everywhere',
        async ({ person }) => {
          const { accessToken } = await signIn(here!, person);
          await here!.client().post('/v1/auth/logout', { all_devices: true }, accessToken).expect(200);
        },
      ],
      [
        'the end of the session by its owner',
        async ({ person, sessionId }) => {
          const { accessToken } = await signIn(here!, person);
          await here!.client().delete(`/v1/auth/sessions/${sessionId}`, accessToken).expect(204);
        },
      ],
      [
        'a change of password',
        async ({ person }) => {
          const { accessToken } = await signIn(here!, person);
          const body = {
            current_password: PASSWORD,
            new_password: 'Yamuna-Evening-77!',
            revoke_other_sessions: true,
          };
          await here!.client().post('/v1/users/change-password', body, accessToken).expect(200);
        },
      ],
      [
        'a suspension',
        ({ userId }) => here!.client().post(`/v1/users/${userId}/suspend`, {}, admin.accessToken).expect(200),
      ],
      [
        'a deletion',
        async ({ userId }) => {
          const { status } = await here!.client().delete(`/v1/users/${userId}`, admin.accessToken);
          expect([200, 204]).toContain(status);
        },
      ],
      [
        'a refresh token that comes twice',
        async ({ refreshToken, sessionId, userId }) => {
          const refresh = () => here!.client().post('/v1/auth/refresh', { refresh_token: refreshToken });
          await refresh().expect(200);
          const state = await operator.hget(`sessions:{${userId}}`, sessionId);
          // As if it had rotated long ago.
          await operator.hset(`sessions:{${userId}}`, sessionId, state!.replace(/^(\d+) \d+/, '9 0'));
          await refresh().expect(401);
        },
      ],
      [
        'the loss of a role',
        ({ userId }) => setRoles(here!, admin, userId, ['trader']).expect(200),
        list,
        403,
      ],
    ])(
      'lets nobody in with the next request after %s',
      async (_what, takeAway, use = me, refusal = 401) => {
        const victim =
          use === list ? await newAdministrator(here!, 'admin') : await signIn(here!, await register(here!));
        let isTaken = false;
        let isOver = false;
        const late: number[] = [];
        // Requests that never rest keep it in memory.
        const readers = [1, 2].map(async () => {
          while (!isOver) {
            const wasTaken = isTaken;
            const status = await use(victim);
            if (wasTaken && status !== refusal) late.push(status);
          }
        });
        const hits = await nearHits(there!);
        await eventually(async () => (await nearHits(there!)) > hits + 5, 'answers from memory');
        await takeAway(victim);
        isTaken = true;
        const next = await use(victim);
        await use(victim);
        isOver = true;
        await Promise.all(readers);
        expect([next, ...late]).toEqual([refusal]);
      },
      30_000,
    );
  });
});

describe('the lease', () => {
  let now = 1_000;
  let proofs: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let lease: NearLease;
  beforeEach(() => {
    proofs = [];
    lease = new NearLease(
      () => new Promise<void>((resolve, reject) => proofs.push({ resolve, reject })),
      () => now,
    );
  });
  const turn = () => new Promise(setImmediate);

  it('runs from the question, not from the answer', async () => {
    expect(lease.isHeld()).toBe(false);
    now += LEASE_MS - 1;
    proofs[0]!.resolve();
    await turn();
    expect(lease.isHeld()).toBe(true);
    now += 1;
    expect(lease.isHeld()).toBe(false);
  });

  it('asks again every quarter of it, one question at a time, and only when used', async () => {
    lease.isHeld();
    now += LEASE_MS / 4;
    lease.isHeld();
    expect(proofs).toHaveLength(1);
    proofs[0]!.resolve();
    await turn();
    lease.isHeld();
    expect(proofs).toHaveLength(2);
    lease.isHeld();
    proofs[1]!.resolve();
    await turn();
    now += LEASE_MS / 4 - 1;
    expect(lease.isHeld()).toBe(true);
    expect(proofs).toHaveLength(2);
  });

  it('is not held by a proof that failed, or that an end came before', async () => {
    lease.isHeld();
    proofs[0]!.reject(new Error('away'));
    await turn();
    now += LEASE_MS / 4;
    expect(lease.isHeld()).toBe(false);
    lease.end();
    proofs[1]!.resolve();
    await turn();
    expect(lease.isHeld()).toBe(false);
  });
});

describe('what is remembered', () => {
  it('is nothing that was on its way when its key changed', () => {
    const entries = new NearEntries();
    const [before, another] = [entries.begin('key'), entries.begin('another')];
    entries.drop('key');
    const after = entries.begin('key');
    entries.keep(before, 'part', 'old');
    expect(entries.find('key', 'part')).toBeUndefined();
    entries.keep(after, 'part', 'new');
    entries.keep(another, 'part', 'other');
    expect([entries.find('key', 'part'), entries.find('another', 'part')]).toEqual(['new', 'other']);
    const late = entries.begin('key');
    entries.clear();
    entries.keep(late, 'part', 'old');
    expect(entries.find('key', 'part')).toBeUndefined();
  });

  it('has a bound, of keys and of parts of each', () => {
    const entries = new NearEntries();
    for (let i = 0; i < 20_000; i++) entries.keep(entries.begin(`key ${i}`), 'part', i);
    expect(entries.find('key 0', 'part')).toBeUndefined();
    expect(entries.find('key 19999', 'part')).toBe(19_999);
    for (let i = 0; i < 100; i++) entries.keep(entries.begin('key'), `part ${i}`, i);
    const kept = Array.from({ length: 100 }, (_, i) => entries.find('key', `part ${i}`)).filter(
      (value) => value !== undefined,
    );
    expect(kept.length).toBeLessThanOrEqual(8);
    expect(kept.at(-1)).toBe(99);
  });
});

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function nearHits(service: TestService): Promise<number> {
  const { text } = await service.client().get('/metrics');
  return Number(/near_cache_lookups_total\{result="hit"\} (\d+)/.exec(text)?.[1] ?? 0);
}
