import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { DataSource, EntityManager } from 'typeorm';
import { Clock } from '../src/common/clock';
import { newId } from '../src/common/ids';
import { Config, loadConfig } from '../src/config/config';
import { dataSourceOptions } from '../src/infra/database/data-source-options';
import { NearCache } from '../src/infra/near/near-cache';
import { connectRedis } from '../src/infra/redis/connect-redis';
import { KnownRevocations } from '../src/sessions/known-revocations';
import { SessionGate } from '../src/sessions/session-gate';
import { SessionStore } from '../src/sessions/session-store';
import { eventually } from './support/app';
import { createTestDatabase, TestDatabase } from './support/database';

const KNOWN_BY = 'sessions:known-by';
/** More than two pages of them. */
const REVOCATIONS = 1_100;

describe('a Redis that may have lost revocations', () => {
  let database: TestDatabase;
  let config: Config;
  let db: DataSource;
  let redis: Redis;
  let near: NearCache;
  let store: SessionStore;
  let gate: SessionGate;
  const clock = new Clock();

  beforeAll(async () => {
    database = await createTestDatabase();
    config = loadConfig({ DATABASE_URL: database.databaseUrl, REDIS_URL: database.redisUrl });
    db = await new DataSource(dataSourceOptions(config)).initialize();
    redis = connectRedis(config);
    await redis.connect();
    near = new NearCache(redis, config);
    // Of every second user one session ends; of the others all but one.
    await db.query(
      `INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, data, metadata)
       SELECT gen_random_uuid(), 'session.revoked', now() - make_interval(secs => n / 10), 'test', 'normal',
              'user:' || gen_random_uuid(), 'system',
              jsonb_build_object('reason', 'logout', 'session_ids', jsonb_build_array(gen_random_uuid())) || CASE n % 2
                WHEN 0 THEN '{}' ELSE jsonb_build_object('before_epoch', 2, 'kept_session_ids', jsonb_build_array('kept')) END,
              '{}'
       FROM generate_series(1, $1::int) AS n`,
      [REVOCATIONS],
    );
  });
  afterAll(async () => {
    near.onApplicationShutdown();
    redis.disconnect();
    await db.destroy();
    await database.drop();
  });
  beforeEach(async () => {
    gate = new SessionGate();
    store = new SessionStore(redis, clock, config, near, gate);
    await redis.del(KNOWN_BY);
  });
  afterEach(() => jest.restoreAllMocks());

  const knownFrom = (source: Pick<EntityManager, 'query'>) =>
    new KnownRevocations(redis, source as EntityManager, store, gate);
  const open = async (userId: string, id: string): Promise<void> => {
    const now = clock.now();
    const about = { createdAt: now, ip: '203.0.113.7', userAgent: 'test', fingerprint: null };
    const times = { rotatedAt: now, lastActiveAt: now, expiresAt: now + 60_000, absoluteEnd: now + 60_000 };
    await store.open({
      id,
      userId,
      counter: 1,
      ...times,
      epoch: 1,
      persistent: true,
      mfa: false,
      about,
    });
  };

  it('hears of all of them before anybody is let in, and waits for nobody', async () => {
    const events = await db.query<
      { subject: string; data: { session_ids: string[]; before_epoch?: number } }[]
    >(`SELECT subject, data FROM events`);
    const untouched = newId();
    await Promise.all(
      events.flatMap(({ subject, data }) => {
        const userId = subject.slice('user:'.length);
        return ['kept', ...data.session_ids].map((id) => open(userId, id));
      }),
    );
    await open(untouched, 'kept');
    // A reader that does not answer, as one whose machine went away with that of Redis.
    const asked = jest.spyOn(near, 'changed').mockReturnValue(new Promise(() => undefined));

    await knownFrom(db.manager).onModuleInit();
    expect(gate.isOpen).toBe(true);
    expect(asked).not.toHaveBeenCalled();
    const left = await Promise.all(
      events.map(async ({ subject, data }) => {
        const [session, ...more] = await store.list(subject.slice('user:'.length));
        return `${session?.id} ${session?.epoch} of ${data.before_epoch}${more.length > 0 ? ' and more' : ''}`;
      }),
    );
    expect([...new Set(left)].sort()).toEqual(['kept 1 of undefined', 'kept 2 of 2']);
    expect(await store.list(untouched)).toHaveLength(1);
  }, 20_000);

  it('is told once, and PostgreSQL not asked again', async () => {
    await knownFrom(db.manager).onModuleInit();
    const query = jest.fn();
    gate.shut();
    await knownFrom({ query }).onModuleInit();
    expect(gate.isOpen).toBe(true);
    expect(query).not.toHaveBeenCalled();
  });

  it('is told the rest where PostgreSQL does not answer in between, and not all again', async () => {
    jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const sizes: (number | string)[] = [];
    const query = async (...what: [string, unknown[]]): Promise<unknown[]> => {
      if (sizes.length === 1) {
        sizes.push('away');
        throw new Error('Query read timeout');
      }
      const page = await db.query<unknown[]>(...what);
      sizes.push(page.length);
      return page;
    };
    await knownFrom({ query: query as never }).onModuleInit();
    expect(gate.isOpen).toBe(false);
    await eventually(async () => gate.isOpen, 'an open gate');
    expect(sizes).toEqual([500, 'away', 500, REVOCATIONS - 1_000]);
  });

  it('is asked before each page whether somebody else has told it by now', async () => {
    const query = jest.fn(async (...what: [string, unknown[]]): Promise<unknown[]> => {
      const [, process] = /run_id:(\w+)/.exec(await redis.info('server'))!;
      await redis.set(KNOWN_BY, process!);
      return db.query<unknown[]>(...what);
    });
    await knownFrom({ query: query as never }).onModuleInit();
    expect(gate.isOpen).toBe(true);
    expect(query).toHaveBeenCalledTimes(1);
  });

  it('lets nobody in while PostgreSQL is away, says so once, and goes on by itself', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    let isAway = true;
    const query = jest.fn(async () => {
      if (isAway) throw new Error('PostgreSQL is away');
      return [];
    });
    await knownFrom({ query: query as never }).onModuleInit();
    await eventually(async () => query.mock.calls.length > 3, 'more tries');
    await expect(store.isOpen(newId(), newId())).rejects.toMatchObject({ code: 'unavailable' });
    expect(warn).toHaveBeenCalledTimes(1);
    isAway = false;
    await eventually(async () => gate.isOpen, 'an open gate');
    expect(await store.isOpen(newId(), newId())).toBe(false);
  });
});
