import { Redis } from 'ioredis';
import { LoginLimits } from '../src/auth/login-limits';
import { RegisterLimit } from '../src/auth/register-limit';
import { AppError } from '../src/common/app-error';
import { newId } from '../src/common/ids';
import { Config, loadConfig } from '../src/config/config';
import { Limit, Limits } from '../src/infra/limits/limits';
import { MailRequestLimit } from '../src/infra/limits/mail-request-limit';
import { connectRedis } from '../src/infra/redis/connect-redis';
import { eventually } from './support/app';
import { createTestDatabase, TestDatabase } from './support/database';

const TRIES = 3;
const MINUTES = 15;
const QUARTER_HOUR = MINUTES * 60;

describe('limits', () => {
  let database: TestDatabase;
  let config: Config;
  let redis: Redis;
  let limits: Limits;

  beforeAll(async () => {
    database = await createTestDatabase();
    config = loadConfig({
      DATABASE_URL: database.databaseUrl,
      REDIS_URL: database.redisUrl,
      RATELIMIT_LOGIN_ATTEMPTS: String(TRIES),
      RATELIMIT_LOGIN_WINDOW_MINUTES: String(MINUTES),
    });
    redis = connectRedis(config);
    await redis.connect();
    limits = new Limits(redis);
  });
  afterAll(async () => {
    redis.disconnect();
    await database.drop();
  });

  /** One that no other test has used. */
  const freshLimit = (more: Partial<Limit> = {}): Limit => ({
    name: `test-${newId()}`,
    points: TRIES,
    seconds: 60,
    ...more,
  });
  const outcomes = (limit: Limit, key: string, times: number) =>
    Promise.all(Array.from({ length: times }, () => limits.tryConsume([limit, key])));
  const isAllowed = async (limit: Limit, key: string): Promise<boolean> =>
    (await limits.tryConsume([limit, key])) === null;

  it('count from the very first use of a process on, other commands being under way', async () => {
    const fresh = connectRedis(config);
    await fresh.connect();
    try {
      const early = new Limits(fresh);
      const limit = freshLimit();
      const uses = Array.from({ length: 20 }, () =>
        Promise.all([fresh.get('x'), early.tryConsume([limit, 'a'])]),
      );
      const refusals = (await Promise.all(uses)).filter(([, refusal]) => refusal !== null);
      expect(refusals).toHaveLength(20 - TRIES);
    } finally {
      fresh.disconnect();
    }
  });

  it('allow exactly their points, and refuse the next with the time left', async () => {
    const limit = freshLimit();
    for (let used = 0; used < TRIES; used++) await limits.consume([limit, 'a']);
    const refused = (await limits.consume([limit, 'a']).catch((error: unknown) => error)) as AppError;
    expect(refused).toBeInstanceOf(AppError);
    expect(refused).toMatchObject({ code: 'rate_limited', kind: 'rate_limited' });
    expect(refused.retryAfter).toBeGreaterThanOrEqual(59);
    expect(refused.retryAfter).toBeLessThanOrEqual(60);
  });

  it('allow exactly their points of fifty at once, and call one refusal the first', async () => {
    const results = await outcomes(freshLimit(), 'a', 50);
    expect(results.filter((result) => result === null)).toHaveLength(TRIES);
    expect(results.filter((result) => result?.first)).toHaveLength(1);
    expect(results.filter((result) => result && !result.first)).toHaveLength(50 - TRIES - 1);
  });

  it('count each key and each name for itself', async () => {
    const [one, other] = [freshLimit({ points: 1 }), freshLimit({ points: 1 })];
    expect(await isAllowed(one, 'a')).toBe(true);
    expect(await isAllowed(one, 'b')).toBe(true);
    expect(await isAllowed(other, 'a')).toBe(true);
    expect(await isAllowed(one, 'a')).toBe(false);
  });

  it('are counted for all instances together', async () => {
    const limit = freshLimit({ points: 1 });
    expect(await isAllowed(limit, 'a')).toBe(true);
    expect(await new Limits(redis).tryConsume([limit, 'a'])).toMatchObject({ first: true });
  });

  it('begin anew when their window ends, which refusals do not put off', async () => {
    const limit = freshLimit({ points: 1, seconds: 1 });
    const began = Date.now();
    expect(await isAllowed(limit, 'a')).toBe(true);
    expect(await limits.tryConsume([limit, 'a'])).toEqual({ retryAfter: 1, first: true });
    // Tries all along: each is a refusal until the window ends.
    await eventually(() => isAllowed(limit, 'a'), 'the next window', 3_000);
    expect(Date.now() - began).toBeGreaterThanOrEqual(950);
    expect(await limits.tryConsume([limit, 'a'])).toEqual({ retryAfter: 1, first: true });
  });

  it('never last longer in Redis than their window', async () => {
    const limit = freshLimit({ seconds: 5 });
    await outcomes(limit, 'a', 10);
    await limits.giveBack(limit, 'a');
    const [key, ...more] = await redis.keys(`limit:${limit.name}:*`);
    expect(more).toEqual([]);
    const left = await redis.pttl(key!);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(5_000);
  });

  it('allow one more for each use given back', async () => {
    const limit = freshLimit();
    await outcomes(limit, 'a', TRIES);
    await limits.giveBack(limit, 'a');
    expect(await isAllowed(limit, 'a')).toBe(true);
    expect(await isAllowed(limit, 'a')).toBe(false);
  });

  it('forget everything used when reset, of that key alone', async () => {
    const limit = freshLimit();
    await Promise.all([outcomes(limit, 'a', TRIES + 2), outcomes(limit, 'b', TRIES)]);
    await limits.reset(limit, 'a');
    const results = await outcomes(limit, 'a', TRIES + 1);
    expect(results.filter((result) => result === null)).toHaveLength(TRIES);
    expect(results.filter((result) => result?.first)).toHaveLength(1);
    expect(await isAllowed(limit, 'b')).toBe(false);
    await limits.reset(limit, 'never used');
  });

  describe('several at once', () => {
    it('answer the longest wait', async () => {
      const [short, long] = [
        freshLimit({ points: 1, seconds: 10 }),
        freshLimit({ points: 1, seconds: 1000 }),
      ];
      expect(await limits.tryConsume([short, 'a'], [long, 'a'])).toBeNull();
      for (const uses of [
        [short, long],
        [long, short],
      ]) {
        const refusal = await limits.tryConsume([uses[0]!, 'a'], [uses[1]!, 'a']);
        expect(refusal!.retryAfter).toBeGreaterThan(990);
        expect(refusal!.retryAfter).toBeLessThanOrEqual(1000);
      }
    });

    it('refuse where one refuses, for as long as that one does', async () => {
      const [used, fresh] = [freshLimit({ points: 1, seconds: 10 }), freshLimit({ seconds: 1000 })];
      await limits.consume([used, 'a']);
      const refusal = await limits.tryConsume([fresh, 'a'], [used, 'a']);
      expect(refusal).toMatchObject({ first: true });
      expect(refusal!.retryAfter).toBeLessThanOrEqual(10);
    });

    it('allow everything where nothing is asked', async () => expect(await limits.tryConsume()).toBeNull());
  });

  describe('of failed sign-ins', () => {
    let logins: LoginLimits;
    let number = 0;
    beforeAll(() => {
      logins = new LoginLimits(config, limits);
    });
    const freshEmail = (): string => `${newId()}@example.com`;
    const freshIp = (): string => `198.18.${++number >> 8}.${number & 255}`;
    const takeAll = (ip: string, email: string, times: number) =>
      Promise.all(Array.from({ length: times }, () => logins.take(ip, email)));

    it('refuse the next try of the pair, and neither of the two elsewhere', async () => {
      const [ip, email] = [freshIp(), freshEmail()];
      expect(await takeAll(ip, email, TRIES)).toEqual([null, null, null]);
      const refusal = await logins.take(ip, email);
      expect(refusal).toMatchObject({ first: true });
      expect(refusal!.retryAfter).toBeGreaterThan(QUARTER_HOUR - 10);
      expect(refusal!.retryAfter).toBeLessThanOrEqual(QUARTER_HOUR);
      expect(await logins.take(ip, freshEmail())).toBeNull();
      expect(await logins.take(freshIp(), email)).toBeNull();
    });

    it('do not count what the pair refuses against the account', async () => {
      const email = freshEmail();
      await takeAll(freshIp(), email, 200);
      // Ten times what a pair has, less what the one above took.
      for (let left = 10 * TRIES - TRIES; left > 0; left--)
        expect(await logins.take(freshIp(), email)).toBeNull();
      expect(await logins.take(freshIp(), email)).toMatchObject({ first: true });
    });

    it('stop one IPv6 subnet that tries many accounts from many addresses', async () => {
      const address = (host: number): string => `2001:db8:7:7::${host.toString(16)}`;
      for (let host = 1; host <= 20 * TRIES; host++) {
        expect(await logins.take(address(host), freshEmail())).toBeNull();
      }
      expect(await logins.take(address(0xffff), freshEmail())).toMatchObject({ first: true });
      expect(await logins.take('2001:db8:7:8::1', freshEmail())).toBeNull();
    });

    it('give a try back that was never made, to pair, account and address', async () => {
      const [ip, email] = [freshIp(), freshEmail()];
      for (let i = 0; i < 25 * TRIES; i++) {
        expect(await logins.take(ip, email)).toBeNull();
        await logins.giveBack(ip, email);
      }
      expect(await takeAll(ip, email, TRIES)).toEqual([null, null, null]);
      expect(await logins.take(ip, email)).toMatchObject({ first: true });
    });

    it('forget the pair after a success, and of account and address that one try', async () => {
      const email = freshEmail();
      const ip = freshIp();
      // Each round leaves two failures with the account, whose thirty are used up after the fifteenth.
      for (let round = 0; round < 5 * TRIES; round++) {
        expect(await takeAll(ip, email, TRIES - 1)).toEqual([null, null]);
        if (round < 5 * TRIES - 1) {
          expect(await logins.take(ip, email)).toBeNull();
          await logins.forget(ip, email);
        }
      }
      expect(await logins.take(ip, email)).toMatchObject({ first: true });
    });
  });

  it('hold no address and no e-mail address in the clear', async () => {
    await redis.flushdb();
    const [ip, ipv6, email] = ['203.0.113.77', '2001:db8:5:6::7', 'anna.private@example.com'];
    const logins = new LoginLimits(config, limits);
    const registers = new RegisterLimit(config, limits);
    const mails = new MailRequestLimit(config, limits);
    for (const address of [ip, ipv6]) {
      await logins.take(address, email);
      await registers.take(address);
      await mails.take('reset', address, email);
    }
    await registers.mayTellOwner(email);

    const keys = await redis.keys('*');
    const values = await Promise.all(keys.map((key) => redis.dump(key)));
    const names = new Set(keys.map((key) => key.split(':')[1]));
    expect([...names].sort()).toEqual([
      'account-exists-mail',
      'login',
      'login-account',
      'login-address',
      'mail-request',
      'register',
      'register-tries',
    ]);
    for (const key of keys) expect(key).toMatch(/^limit:[a-z-]+:[\w-]{22}$/);
    const everything = [...keys, ...values].join('\n');
    for (const secret of [ip, '2001:db8', 'anna', 'example.com']) expect(everything).not.toContain(secret);
  });

  describe('without Redis', () => {
    it('refuse everything with an error that is no refusal, and count on when it is back', async () => {
      const own = connectRedis(config);
      const cut = new Limits(own);
      const limit = freshLimit({ points: 2 });
      try {
        await expect(cut.tryConsume([limit, 'a'])).rejects.toThrow();
        await own.connect();
        expect(await cut.tryConsume([limit, 'a'])).toBeNull();
        own.disconnect();
        await eventually(() => Promise.resolve(own.status === 'end'), 'the end of the connection');
        const calls = [
          () => cut.consume([limit, 'a']),
          () => cut.tryConsume([limit, 'a']),
          () => cut.giveBack(limit, 'a'),
          () => cut.reset(limit, 'a'),
        ];
        for (const call of calls) {
          const error: unknown = await call().catch((reason: unknown) => reason);
          expect(error).toBeInstanceOf(Error);
          expect(error).not.toBeInstanceOf(AppError);
        }
        await own.connect();
        expect(await cut.tryConsume([limit, 'a'])).toBeNull();
        expect(await cut.tryConsume([limit, 'a'])).toMatchObject({ first: true });
      } finally {
        own.disconnect();
      }
    });
  });
});
