import fc from 'fast-check';
import { Redis } from 'ioredis';
import { Clock } from '../src/common/clock';
import { newId } from '../src/common/ids';
import { Config, loadConfig } from '../src/config/config';
import { NearCache } from '../src/infra/near/near-cache';
import { connectRedis } from '../src/infra/redis/connect-redis';
import { Session } from '../src/sessions/session';
import { SessionGate } from '../src/sessions/session-gate';
import { SessionStore } from '../src/sessions/session-store';
import { createTestDatabase, TestDatabase } from './support/database';
import { SessionModel } from './support/session-model';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;
const GRACE = 10 * SECOND;
const INACTIVITY = 14 * DAY;
const REFRESHES = 4;

describe('the session store', () => {
  let database: TestDatabase;
  let config: Config;
  let redis: Redis;
  let near: NearCache;
  let store: SessionStore;
  const clock = new Clock();
  // Ahead of Redis' own clock, whose time counts where it is the later one.
  let now = Date.now() + DAY;
  clock.now = () => now;

  beforeAll(async () => {
    database = await createTestDatabase();
    config = loadConfig({
      DATABASE_URL: database.databaseUrl,
      REDIS_URL: database.redisUrl,
      REFRESH_GRACE_SECONDS: String(GRACE / SECOND),
      REDIS_SESSION_INACTIVITY_DAYS: String(INACTIVITY / DAY),
      RATELIMIT_REFRESH_ATTEMPTS: String(REFRESHES),
      RATELIMIT_REFRESH_WINDOW_MINUTES: '1',
    });
    redis = connectRedis(config);
    await redis.connect();
    near = new NearCache(redis, config);
    store = new SessionStore(redis, clock, config, near, new SessionGate());
  });
  afterAll(async () => {
    near.onApplicationShutdown();
    redis.disconnect();
    await database.drop();
  });

  const sessionOf = (
    userId: string,
    { life = 90 * DAY, ...more }: Partial<Session> & { life?: number } = {},
  ): Session => {
    const absoluteEnd = now + life;
    return {
      id: newId(),
      userId,
      counter: 1,
      rotatedAt: now,
      lastActiveAt: now,
      expiresAt: Math.min(now + INACTIVITY, absoluteEnd),
      absoluteEnd,
      epoch: 1,
      persistent: true,
      mfa: false,
      about: { createdAt: now, ip: '203.0.113.7', userAgent: 'test-browser/1.0', fingerprint: null },
      ...more,
    };
  };
  const opened = async (userId: string, more?: Partial<Session> & { life?: number }): Promise<Session> => {
    const session = sessionOf(userId, more);
    await store.open(session);
    return session;
  };
  const idsOf = async (userId: string): Promise<string[]> => (await store.list(userId)).map(({ id }) => id);
  const rotate = (session: Session, presented: number, leastEpoch = 1) =>
    store.rotate(session.userId, session.id, presented, leastEpoch);

  describe('whatever is done in whatever order', () => {
    const which = fc.nat({ max: 2 });
    const epoch = fc.integer({ min: 1, max: 4 });
    const step = fc.oneof(
      fc.record({
        do: fc.constant('open' as const),
        life: fc.constantFrom(10 * MINUTE, DAY, 90 * DAY),
        epoch,
        persistent: fc.boolean(),
        mfa: fc.boolean(),
      }),
      {
        weight: 12,
        arbitrary: fc.record({
          do: fc.constant('rotate' as const),
          which,
          // The current token, the previous one, an older one, one ahead.
          distance: fc.constantFrom(0, 0, 0, -1, -1, -2, 1, 7),
          leastEpoch: fc.oneof({ weight: 15, arbitrary: fc.constant(1) }, epoch),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('advance' as const),
          by: fc.oneof(
            { weight: 6, arbitrary: fc.constantFrom(1, GRACE - 1, GRACE, GRACE + 1, MINUTE - 1, MINUTE) },
            fc.constantFrom(DAY, INACTIVITY),
          ),
        }),
      },
      fc.record({ do: fc.constant('revoke' as const), which: fc.array(which, { maxLength: 2 }) }),
      fc.record({
        do: fc.constant('revokeBefore' as const),
        epoch,
        staying: fc.array(which, { maxLength: 2 }),
      }),
    );

    it('keeps to its rules', async () => {
      const seen = new Set<string>();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 25 }), async (steps) => {
          const userId = newId();
          const model = new SessionModel({
            grace: GRACE,
            inactivity: INACTIVITY,
            window: MINUTE,
            refreshesInWindow: REFRESHES,
          });
          const ids: string[] = [];
          const idAt = (index: number): string => ids[index % ids.length] ?? newId();
          for (const command of [
            { do: 'open', life: DAY, epoch: 2, persistent: false, mfa: true },
            ...steps,
          ] as const) {
            if (command.do === 'open') {
              const { do: _, ...more } = command;
              const session = sessionOf(userId, more);
              ids.push(session.id);
              model.open(session);
              expect(await store.open(session)).toEqual([]);
            } else if (command.do === 'rotate') {
              const id = idAt(command.which);
              const presented = Math.max(0, model.counterOf(id) + command.distance);
              const rotation = await store.rotate(userId, id, presented, command.leastEpoch);
              expect(rotation).toEqual(model.rotate(id, presented, command.leastEpoch, now));
              seen.add(rotation.kind);
            } else if (command.do === 'advance') {
              now += command.by;
            } else if (command.do === 'revoke') {
              const revoked = command.which.map(idAt);
              await store.revoke(userId, revoked);
              model.revoke(revoked);
            } else {
              const staying = command.staying.map(idAt);
              await store.revokeBefore(userId, command.epoch, staying);
              model.revokeBefore(command.epoch, staying);
            }
            await expectSame(userId, model, ids);
          }
        }),
        { numRuns: 60 },
      );
      expect([...seen].sort()).toEqual(['limited', 'missing', 'reused', 'rotated', 'stale']);
    });

    const expectSame = async (userId: string, model: SessionModel, ids: string[]): Promise<void> => {
      const [listed, open] = await Promise.all([
        store.list(userId),
        Promise.all(ids.map((id) => store.isOpen(userId, id))),
      ]);
      const byId = (a: Session, b: Session): number => (a.id < b.id ? -1 : 1);
      expect([...listed].sort(byId)).toEqual(model.list(now).sort(byId));
      expect(open).toEqual(ids.map((id) => model.isOpen(id, now)));
      const activity = listed.map(({ lastActiveAt }) => lastActiveAt);
      expect(activity).toEqual([...activity].sort((a, b) => b - a));
    };
  });

  describe('in Redis', () => {
    it('keeps one hash a user, its name a hash tag, so that a cluster has it on one node', async () => {
      const [one, another] = [newId(), newId()];
      await Promise.all([opened(one), opened(one), opened(another)]);
      const keys = await redis.keys('*');
      expect(keys.filter((key) => key.includes(one))).toEqual([`sessions:{${one}}`]);
      expect(keys.filter((key) => key.includes(another))).toEqual([`sessions:{${another}}`]);
    });

    it('goes with the longest session, in whichever order they are opened', async () => {
      for (const lives of [
        [DAY, 90 * DAY],
        [90 * DAY, DAY],
      ]) {
        const userId = newId();
        for (const life of lives) await opened(userId, { life });
        const left = await redis.pttl(`sessions:{${userId}}`);
        expect(left).toBeGreaterThan(90 * DAY - MINUTE);
        expect(left).toBeLessThanOrEqual(90 * DAY);
      }
    });

    it('lasts no longer for being refreshed', async () => {
      const session = await opened(newId(), { life: DAY });
      now += DAY - MINUTE;
      await expect(rotate(session, 1)).resolves.toMatchObject({ absoluteEnd: session.absoluteEnd });
      expect(await redis.pttl(`sessions:{${session.userId}}`)).toBeLessThanOrEqual(DAY);
    });

    it('holds nothing of a user whose sessions have all been ended', async () => {
      const userId = newId();
      const sessions = [await opened(userId), await opened(userId)];
      await store.revoke(userId, [...sessions.map(({ id }) => id), newId()]);
      expect(await redis.exists(`sessions:{${userId}}`)).toBe(0);
      await opened(userId);
      await store.revokeBefore(userId, 2, []);
      expect(await redis.exists(`sessions:{${userId}}`)).toBe(0);
    });
  });

  it('lists nothing that is over, to the millisecond', async () => {
    const userId = newId();
    const short = await opened(userId, { life: MINUTE });
    const long = await opened(userId, { life: DAY });
    now += MINUTE - 1;
    expect((await idsOf(userId)).sort()).toEqual([short.id, long.id].sort());
    expect(await store.isOpen(userId, short.id)).toBe(true);
    now += 1;
    expect(await idsOf(userId)).toEqual([long.id]);
    expect(await store.isOpen(userId, short.id)).toBe(false);
    expect(await rotate(short, 1)).toEqual({ kind: 'missing' });
  });

  describe('with a hundred sessions', () => {
    it('ends the least recently active one for the next, and not the oldest', async () => {
      const userId = newId();
      const sessions: Session[] = [];
      for (let i = 0; i < 100; i++) {
        sessions.push(await opened(userId));
        now += 1;
      }
      await rotate(sessions[0]!, 1);
      expect(await store.open(sessionOf(userId))).toEqual([sessions[1]!.id]);
      const ids = await idsOf(userId);
      expect(ids).toHaveLength(100);
      expect(ids).toContain(sessions[0]!.id);
      expect(await redis.hlen(`sessions:{${userId}}`)).toBe(200);
    });

    it('ends none as long as there are some that are over', async () => {
      const userId = newId();
      await Promise.all(Array.from({ length: 3 }, () => opened(userId, { life: MINUTE })));
      await Promise.all(Array.from({ length: 97 }, () => opened(userId)));
      now += MINUTE;
      expect(await store.open(sessionOf(userId))).toEqual([]);
      expect(await idsOf(userId)).toHaveLength(98);
      expect(await redis.hlen(`sessions:{${userId}}`)).toBe(2 * 98);
    });

    it('never ends the one being opened, however long ago it was active', async () => {
      const userId = newId();
      await Promise.all(Array.from({ length: 100 }, () => opened(userId)));
      const late = sessionOf(userId, { lastActiveAt: now - DAY });
      const evicted = await store.open(late);
      expect(evicted).toHaveLength(1);
      expect(evicted).not.toContain(late.id);
      expect(await store.isOpen(userId, late.id)).toBe(true);
    });
  });

  describe('rotating', () => {
    it('goes one on for fifty at once, who all get the same', async () => {
      const session = await opened(newId());
      const rotations = await Promise.all(Array.from({ length: 50 }, () => rotate(session, 1)));
      const rotated = rotations.filter(({ kind }) => kind === 'rotated');
      expect(rotated).toHaveLength(REFRESHES);
      expect(new Set(rotated.map((rotation) => JSON.stringify(rotation))).size).toBe(1);
      expect(rotated[0]).toMatchObject({ counter: 2 });
      expect(rotations.filter(({ kind }) => kind === 'limited')).toHaveLength(50 - REFRESHES);
      expect((await store.list(session.userId))[0]).toMatchObject({ counter: 2 });
    });

    it('takes a counter that is ahead, and holds what was in force before for reused', async () => {
      const session = await opened(newId());
      expect(await rotate(session, 40)).toMatchObject({ kind: 'rotated', counter: 41 });
      expect(await rotate(session, 1)).toEqual({ kind: 'reused' });
      expect(await rotate(session, 40)).toMatchObject({ kind: 'rotated', counter: 41 });
    });

    it('counts up to the largest number that a token holds', async () => {
      const largest = 2 ** 32 - 1;
      const session = await opened(newId(), { counter: largest - 1 });
      expect(await rotate(session, largest - 1)).toMatchObject({ counter: largest });
      expect((await store.list(session.userId))[0]).toMatchObject({ counter: largest });
    });

    it('repeats the previous one up to the end of the grace, and not a millisecond longer', async () => {
      const session = await opened(newId());
      await rotate(session, 1);
      now += GRACE;
      expect(await rotate(session, 1)).toMatchObject({ kind: 'rotated', counter: 2 });
      now += 1;
      expect(await rotate(session, 1)).toEqual({ kind: 'reused' });
    });

    it('is limited in a window of its own for each session, and says how long', async () => {
      const userId = newId();
      const [busy, calm] = [await opened(userId), await opened(userId)];
      for (let counter = 1; counter <= REFRESHES; counter++) {
        expect(await rotate(busy, counter)).toMatchObject({ kind: 'rotated', counter: counter + 1 });
      }
      now += 15 * SECOND + 1;
      expect(await rotate(busy, REFRESHES + 1)).toEqual({ kind: 'limited', retryAfter: 45 });
      expect(await rotate(calm, 1)).toMatchObject({ kind: 'rotated' });
      now += 45 * SECOND - 2;
      expect(await rotate(busy, REFRESHES + 1)).toEqual({ kind: 'limited', retryAfter: 1 });
      now += 1;
      expect(await rotate(busy, REFRESHES + 1)).toMatchObject({ kind: 'rotated', counter: REFRESHES + 2 });
    });

    it('tells reuse also where the limit is used up', async () => {
      const session = await opened(newId());
      for (let counter = 1; counter <= REFRESHES; counter++) await rotate(session, counter);
      expect(await rotate(session, 1)).toEqual({ kind: 'reused' });
    });

    it.each(['', 'x', '0'.repeat(2000), '{}', '*', 'constructor'])('finds no session %j', async (id) => {
      const { userId } = await opened(newId());
      expect(await store.rotate(userId, id, 1, 1)).toEqual({ kind: 'missing' });
      expect(await store.isOpen(userId, id)).toBe(false);
      await store.revoke(userId, [id]);
      expect(await idsOf(userId)).toHaveLength(1);
    });

    it('exchanges nothing for a session of an epoch that is over', async () => {
      const session = await opened(newId(), { epoch: 3 });
      expect(await rotate(session, 1, 3)).toMatchObject({ kind: 'rotated' });
      expect(await rotate(session, 2, 4)).toEqual({ kind: 'stale', epoch: 3 });
      expect(await rotate(session, 2, 3)).toMatchObject({ kind: 'rotated', counter: 3 });
    });
  });

  it('moves the sessions that stay into the new epoch, and leaves newer ones alone', async () => {
    const userId = newId();
    const [stays, goes] = [await opened(userId), await opened(userId)];
    const newer = await opened(userId, { epoch: 5 });
    await store.revokeBefore(userId, 3, [stays.id, newId()]);
    const epochs = Object.fromEntries((await store.list(userId)).map(({ id, epoch }) => [id, epoch]));
    expect(epochs).toEqual({ [stays.id]: 3, [newer.id]: 5 });
    expect(await rotate(stays, 1, 3)).toMatchObject({ kind: 'rotated', counter: 2 });
    expect(await rotate(goes, 1, 3)).toEqual({ kind: 'missing' });
  });

  it('notes of the sessions that stay that they have proved the second factor, where told so', async () => {
    const user = newId();
    const [session, other] = [await opened(user), await opened(user)];
    await store.revokeBefore(user, 2, [session.id, other.id]);
    expect((await store.list(user)).map(({ mfa }) => mfa)).toEqual([false, false]);
    await store.revokeBefore(user, 3, [session.id], 'mfa_enabled');
    expect(await store.list(user)).toEqual([{ ...session, epoch: 3, mfa: true }]);
    expect(await store.rotate(user, session.id, 1, 1)).toMatchObject({ kind: 'rotated', mfa: true });
  });

  it("touches nobody else's sessions, not even those of the same id", async () => {
    const mine = await opened(newId());
    const theirs = await opened(newId(), { id: mine.id, mfa: true });
    await rotate(mine, 1);
    expect(await rotate(theirs, 1)).toMatchObject({ kind: 'rotated', counter: 2, mfa: true });
    await store.revoke(mine.userId, [mine.id]);
    await store.revokeBefore(mine.userId, 9, []);
    expect(await store.isOpen(mine.userId, mine.id)).toBe(false);
    expect(await store.isOpen(theirs.userId, theirs.id)).toBe(true);
  });

  it.each(['', 'Mozilla/5.0 (X11) "quoted" \\ 7 1 1', 'ブラウザ 🦊', 'a:about\n\0'])(
    'gives back what it was told about a device: %j',
    async (userAgent) => {
      const about = { createdAt: now, ip: '2001:db8::1', userAgent, fingerprint: `1 2 ${userAgent}` };
      const session = await opened(newId(), { about });
      await rotate(session, 1);
      expect((await store.list(session.userId))[0]!.about).toEqual(about);
    },
  );
});
