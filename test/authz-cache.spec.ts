import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../src/common/app-error';
import { systemCaller } from '../src/common/caller';
import { Events } from '../src/infra/events/events';
import { PermissionCache } from '../src/authz/permission-cache';
import { eventually, startService, TestService } from './support/app';

const LIFE_MS = 300_000;
/** As the settings of the tests make it: a second for a connection, a hundred for statements, ten besides. */
const FENCE_MS = 111_000;

describe('the cache of permissions', () => {
  let service: TestService;
  let cache: PermissionCache;
  let user: string;
  beforeAll(async () => {
    // The settings that the length of a fence follows from.
    service = await startService({ DATABASE_POOL_TIMEOUT: '1', DATABASE_QUERY_TIMEOUT_MS: '1000' });
    cache = service.app.get(PermissionCache);
  });
  afterAll(() => service.stop());
  beforeEach(() => {
    user = randomUUID();
  });

  const key = () => `authz:{${user}}`;
  const get = (data: string) => cache.get(user, () => Promise.resolve(data));
  const hit = (data: string) => ({ data, cached: true });
  const miss = (data: string) => ({ data, cached: false });
  const change = (work: () => Promise<void> = () => Promise.resolve()) => cache.whileChanging(user, work);
  const fences = async () => (await service.redis.hkeys(key())).filter((field) => field.startsWith('fence:'));

  /** A reader that has looked and found nothing, and now waits for PostgreSQL. */
  const slowReader = async (): Promise<{ finish: (data: string) => Promise<unknown> }> => {
    let answer: (data: string) => void = () => undefined;
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const reading = cache.get(user, () => {
      asked();
      return new Promise<string>((resolve) => (answer = resolve));
    });
    await isAsked;
    return {
      finish: (data) => {
        answer(data);
        return reading;
      },
    };
  };

  it('answers from memory what it was told once, to everybody, for five minutes', async () => {
    expect(await get('a')).toEqual(miss('a'));
    expect(await get('b')).toEqual(hit('a'));
    const life = await service.redis.pttl(key());
    expect(life).toBeGreaterThan(LIFE_MS - 10_000);
    expect(life).toBeLessThanOrEqual(LIFE_MS);
    await service.redis.pexpire(key(), 1);
    await sleep(10);
    expect(await get('b')).toEqual(miss('b'));
  });

  it('keeps nothing of nobody, and a reader of then fills nothing later', async () => {
    const nobody = () => cache.get(user, () => Promise.resolve(null));
    expect(await nobody()).toEqual({ data: null, cached: false });
    expect(await service.redis.exists(key())).toBe(0);
    const late = await slowReader();
    await nobody();
    expect(await late.finish('old')).toEqual(miss('old'));
    expect(await get('new')).toEqual(miss('new'));
    expect(await nobody()).toEqual(hit('new'));
    await change(async () => {
      await nobody();
      expect(await fences()).toHaveLength(1);
    });
  });

  it('keeps users apart', async () => {
    await get('a');
    expect(await cache.get(randomUUID(), () => Promise.resolve('b'))).toEqual(miss('b'));
  });

  it('forgets with a change, also one that was refused', async () => {
    await get('a');
    await change();
    expect(await get('b')).toEqual(miss('b'));
    expect(await get('c')).toEqual(hit('b'));
    const refused = new AppError('conflict', 'conflict', 'No.');
    await expect(change(() => Promise.reject(refused))).rejects.toBe(refused);
    expect(await get('c')).toEqual(miss('c'));
    expect(await get('d')).toEqual(hit('c'));
  });

  it('is neither read nor filled while a change is under way', async () => {
    await get('a');
    await change(async () => {
      expect(await get('b')).toEqual(miss('b'));
      expect(await get('c')).toEqual(miss('c'));
      expect(await service.redis.hexists(key(), 'data')).toBe(0);
    });
    expect(await get('d')).toEqual(miss('d'));
  });

  it('waits for the last of several changes at once', async () => {
    let end: () => void = () => undefined;
    const long = change(() => new Promise<void>((resolve) => (end = resolve)));
    await eventually(async () => (await fences()).length === 1, 'the fence');
    await change();
    expect(await get('a')).toEqual(miss('a'));
    expect(await get('b')).toEqual(miss('b'));
    end();
    await long;
    expect(await get('c')).toEqual(miss('c'));
    expect(await get('d')).toEqual(hit('c'));
    expect(await fences()).toEqual([]);
  });

  describe('is not filled by a reader that was under way', () => {
    it.each<[string, () => Promise<unknown>]>([
      ['when a change began and ended meanwhile', () => change()],
      [
        'when a change was refused meanwhile',
        () => change(() => Promise.reject(new Error('no'))).catch(() => {}),
      ],
      ['when two changes did', () => Promise.all([change(), change()])],
      ['when Redis lost the entry, and the change too', () => service.redis.del(key())],
      [
        'when Redis lost the entry after the change, and another reader has looked',
        async () => {
          await change();
          await service.redis.del(key());
          await slowReader();
        },
      ],
    ])('%s', async (_when, meanwhile) => {
      const late = await slowReader();
      await meanwhile();
      expect(await late.finish('old')).toEqual(miss('old'));
      expect(await get('new')).toEqual(miss('new'));
    });

    it('when it began behind the fence', async () => {
      let late: Awaited<ReturnType<typeof slowReader>>;
      await change(async () => {
        late = await slowReader();
      });
      expect(await late!.finish('old')).toEqual(miss('old'));
      expect(await get('new')).toEqual(miss('new'));
    });

    it('when the change is under way still', async () => {
      const late = await slowReader();
      await change(async () => {
        await late.finish('old');
        expect(await service.redis.hexists(key(), 'data')).toBe(0);
      });
    });
  });

  it('is never right about old things, whatever the order of 300 reads and changes', async () => {
    let truth = 0;
    const pause = () => sleep(Math.random() * 4);
    const load = async (): Promise<string> => {
      await pause();
      const read = truth;
      await pause();
      return String(read);
    };
    const read = async (): Promise<void> => {
      await sleep(Math.random() * 300);
      const atLeast = committed;
      const { data } = await cache.get(user, load);
      expect(Number(data)).toBeGreaterThanOrEqual(atLeast);
    };
    let committed = 0;
    const write = async (): Promise<void> => {
      await sleep(Math.random() * 300);
      const mine = await cache.whileChanging(user, async () => {
        await pause();
        const number = ++truth;
        await pause();
        return number;
      });
      committed = Math.max(committed, mine);
    };
    await Promise.all(Array.from({ length: 300 }, (_, i) => (i % 6 === 0 ? write() : read())));
    expect(committed).toBe(50);
    expect((await cache.get(user, load)).data).toBe('50');
  });

  describe('of a change that never ended', () => {
    /** As a process leaves it that dies between the fence and its end. */
    const crash = (fenceMs: number) => service.redis.fencePermissions(key(), randomUUID(), fenceMs, LIFE_MS);

    it('the fence falls by itself, and is never read through', async () => {
      await get('a');
      await crash(150);
      for (const data of ['b', 'c', 'd']) expect(await get(data)).toEqual(miss(data));
      await sleep(200);
      expect(await get('e')).toEqual(miss('e'));
      expect(await get('f')).toEqual(hit('e'));
    });

    it('the fence is not taken down by the next change', async () => {
      await crash(60_000);
      await change();
      expect(await get('a')).toEqual(miss('a'));
      expect(await get('b')).toEqual(miss('b'));
    });

    it('the fence outlasts every transaction, the entry outlasts the fence, and both end', async () => {
      await change(async () => {
        const [field] = await fences();
        const [seconds, micros] = await service.redis.time();
        const left =
          Number(await service.redis.hget(key(), field!)) - (Number(seconds) * 1000 + Number(micros) / 1000);
        expect(left).toBeGreaterThan(FENCE_MS - 5_000);
        expect(left).toBeLessThanOrEqual(FENCE_MS);
        expect(await service.redis.pttl(key())).toBeGreaterThan(left + LIFE_MS - 5_000);
      });
    });

    it('the fence stays when nobody knows whether the COMMIT was carried out', async () => {
      await get('a');
      await expect(change(() => Promise.reject(new Error('Query read timeout')))).rejects.toThrow('timeout');
      expect(await fences()).toHaveLength(1);
      expect(await get('old')).toEqual(miss('old'));
      expect(await get('new')).toEqual(miss('new'));
    });

    it('a reader that began behind the fence fills nothing, though it has fallen', async () => {
      await crash(100);
      const late = await slowReader();
      await sleep(150);
      await late.finish('old');
      expect(await get('new')).toEqual(miss('new'));
    });

    const commitLate = () =>
      service.db.transaction((tx) =>
        service.app.get(Events).record(tx, systemCaller('test'), {
          type: 'permission.revoked',
          subject: `user:${user}`,
          data: { permission_id: randomUUID(), permission: 'user:read' },
        }),
      );

    it('a reader that was under way when the event came after all fills nothing', async () => {
      const late = await slowReader();
      await commitLate();
      const generation = () => service.redis.hget(key(), 'generation');
      await eventually(async () => (await generation())?.endsWith('+'), 'the relay');
      await late.finish('old');
      expect(await get('new')).toEqual(miss('new'));
    });

    it('the event takes the entry away, when it comes after the fence', async () => {
      await get('old');
      await commitLate();
      await eventually(async () => !(await get('new')).cached, 'the relay');
      expect(await get('newer')).toEqual(hit('new'));
    });
  });

  describe('believes nothing that another Redis process has written', () => {
    /** As a Redis finds it that was restarted, or has taken over, with what it had on disk. */
    const restart = () => service.redis.hset(key(), 'process', 'another');

    it('neither an entry', async () => {
      await get('old');
      await restart();
      expect(await get('new')).toEqual(miss('new'));
      expect(await get('newer')).toEqual(hit('new'));
    });

    it('nor a generation, for a reader that was under way', async () => {
      const late = await slowReader();
      await restart();
      expect(await late.finish('old')).toEqual(miss('old'));
      expect(await get('new')).toEqual(miss('new'));
    });

    it('but for its fences', async () => {
      await change(async () => {
        await restart();
        expect(await get('a')).toEqual(miss('a'));
        expect(await get('b')).toEqual(miss('b'));
      });
    });
  });

  it('goes on after Redis has forgotten the scripts', async () => {
    await get('a');
    await service.redis.script('FLUSH');
    expect(await Promise.all([get('b'), get('c'), change()])).toHaveLength(3);
    await service.redis.script('FLUSH');
    await change();
    expect(await get('d')).toEqual(miss('d'));
    expect(await get('e')).toEqual(hit('d'));
  });
});
