import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Config } from '../src/config/config';
import { EventBacklog } from '../src/infra/events/event-backlog';
import { LinkedEvent, RecordedEvent } from '../src/infra/events/recorded-event';
import { Relay } from '../src/infra/events/relay';
import { RelayRedis } from '../src/infra/events/relay-redis';
import { Superseded } from '../src/infra/events/superseded';
import { RedisStream, STREAM_FIELDS, STREAM_KEY } from '../src/infra/events/targets/redis-stream';
import { Metrics } from '../src/infra/metrics/metrics';
import { createTestDatabase, TestDatabase } from './support/database';
import { EventWorld, eventually } from './support/event-world';

describe('events', () => {
  let stores: TestDatabase;
  let world: EventWorld;
  let relay: Relay | undefined;

  const startRelay = (
    prepare: (relay: Relay) => void = () => undefined,
    settings: Partial<Config> = {},
  ): void => {
    relay = new Relay({ ...world.config, ...settings }, true);
    prepare(relay);
    relay.onApplicationBootstrap();
  };
  const stopRelay = async (): Promise<void> => {
    await relay?.onApplicationShutdown();
    relay = undefined;
  };

  beforeAll(async () => {
    Logger.overrideLogger(false);
    stores = await createTestDatabase();
    world = await EventWorld.create(stores.databaseUrl, stores.redisUrl);
  });
  beforeEach(async () => {
    await world.forget();
  });
  afterEach(stopRelay);
  afterAll(async () => {
    await world.close();
    await stores.drop();
  });

  it('publishes an event with its fields, all of them texts', async () => {
    await world.record({
      type: 'user.login',
      subject: 'user:1',
      data: { session_id: 's1', method: 'password', second_factor: null, new_device: true },
    });
    startRelay();
    await world.published();

    const [event, ...others] = await world.streamed();
    expect(others).toEqual([]);
    expect(Object.keys(event!)).toEqual([...STREAM_FIELDS]);
    expect(event).toMatchObject({
      event_type: 'user.login',
      source: 'user_service',
      priority: 'normal',
      subject: 'user:1',
      actor: 'system',
      resource: '',
    });
    expect(event!.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(JSON.parse(event!.data!)).toEqual({
      session_id: 's1',
      method: 'password',
      second_factor: null,
      new_device: true,
    });
    expect(JSON.parse(event!.metadata!)).toEqual({
      request_id: 'request-1',
    });
    expect(event!.version).toBe('1');
    const [link] = await world.db.query(
      `SELECT position, encode(hash, 'hex') AS hash FROM event_chain WHERE event_id = $1`,
      [event!.event_id],
    );
    expect([event!.chain_position, event!.chain_hash]).toEqual([link.position, link.hash]);
    const [row] = await world.db.query('SELECT event_id FROM events WHERE event_id = $1', [event!.event_id]);
    expect(row).toBeDefined();
  });

  it('publishes the events of a subject in the order of their commits, whoever writes them', async () => {
    const committed: number[] = [];
    let number = 0;
    startRelay();
    // The subject's lock is held until commit, so what runs inside the transaction after `record` runs in commit order.
    const write = async (): Promise<void> => {
      for (let i = 0; i < 50; i++) {
        const mine = number++;
        await sleep(Math.random() * 3);
        await world.record(world.numbered('user:ordered', mine), {
          after: async () => {
            await sleep(Math.random() * 3);
            committed.push(mine);
          },
        });
      }
    };
    await Promise.all(Array.from({ length: 8 }, write));
    await world.published();

    const published = (await world.streamed()).map((event) => Number(JSON.parse(event.data!).fields[0]));
    expect(published).toEqual(committed);
    expect(published).toHaveLength(400);
    expect(published).not.toEqual([...published].sort((a, b) => a - b));
  });

  it('has the rows of a subject become visible in the order of their places', async () => {
    let writing = true;
    const seen: string[][] = [];
    const watch = async (): Promise<void> => {
      while (writing) {
        const rows = await world.db.query('SELECT place FROM event_outbox ORDER BY place');
        seen.push(rows.map((row: { place: string }) => row.place));
      }
    };
    const watching = watch();
    const write = async (): Promise<void> => {
      for (let i = 0; i < 25; i++) await world.record(world.numbered('user:watched', i));
    };
    await Promise.all(Array.from({ length: 8 }, write));
    writing = false;
    await watching;

    // A snapshot never lacks a place that a later snapshot has below its own highest.
    for (const [earlier, later] of seen.slice(1).map((snapshot, i) => [seen[i]!, snapshot] as const)) {
      expect(later.slice(0, earlier.length)).toEqual(earlier);
    }
    expect(seen.at(-1)!.length).toBeGreaterThan(0);
  });

  it('publishes nothing of a transaction that was rolled back', async () => {
    startRelay();
    const failed = world.record(world.numbered('user:2', 1), {
      after: () => Promise.reject(new Error('no')),
    });
    await expect(failed).rejects.toThrow('no');
    await world.record(world.numbered('user:2', 2));
    await world.published();
    expect((await world.streamed()).map((event) => JSON.parse(event.data!).fields)).toEqual([['2']]);
  });

  it('has the database refuse to change or delete an event', async () => {
    await world.record(world.numbered('user:3', 1));
    const [{ partition }] = await world.db.query(
      'SELECT tableoid::regclass::text AS partition FROM events LIMIT 1',
    );
    for (const table of ['events', partition]) {
      for (const sql of [`UPDATE ${table} SET actor = 'x'`, `DELETE FROM ${table}`, `TRUNCATE ${table}`]) {
        await expect(world.db.query(sql)).rejects.toThrow('events are append-only');
      }
    }
    await expect(world.db.query('TRUNCATE events_default')).rejects.toThrow('events are append-only');
  });

  describe('effects', () => {
    it('run before the event is published, and hold it and what follows back until they succeed', async () => {
      let broken = true;
      const ran: string[] = [];
      startRelay((relay) =>
        relay.onEvent('session.revoked', async (event) => {
          ran.push(event.data.session_ids[0]!);
          if (broken) throw new Error('Redis is away');
        }),
      );
      await world.record(world.numbered('user:4', 1));
      await world.published();
      await world.record({
        type: 'session.revoked',
        subject: 'user:4',
        data: { reason: 'logout', session_ids: ['s4'] },
      });
      await world.record(world.numbered('user:4', 2));
      await eventually(() => ran.length >= 2);
      expect((await world.streamed()).map((event) => event.event_type)).toEqual(['user.updated']);

      broken = false;
      await world.published();
      const types = (await world.streamed()).map((event) => event.event_type);
      expect(types).toEqual(['user.updated', 'session.revoked', 'user.updated']);
      expect(new Set(ran)).toContain('s4');
    });

    it('run again for recent events when Redis was away, because it may have forgotten', async () => {
      const ran: RecordedEvent<'session.revoked'>[] = [];
      const counted = (): number => ran.filter((event) => event.data.session_ids.includes('s5')).length;
      startRelay((relay) =>
        relay.onEvent('session.revoked', async (event) => {
          ran.push(event);
        }),
      );
      await world.record({
        type: 'session.revoked',
        subject: 'user:5',
        data: { reason: 'logout', session_ids: ['s5'] },
      });
      await world.published();
      const before = counted();
      await sleep(400);
      expect(counted()).toBe(before);
      await world.cutRelayOff();
      await eventually(() => counted() === before + 1);
      expect(ran.at(-1)!.timestamp).toBeInstanceOf(Date);
    });

    it('run again for all recent events, also behind one that fails: it may be on another node of a cluster', async () => {
      const ran: string[] = [];
      let isGone = false;
      startRelay((relay) =>
        relay.onEvent('session.revoked', async ({ subject, data }) => {
          if (isGone && subject === 'user:gone') throw new Error('its slot is not served');
          ran.push(...data.session_ids);
        }),
      );
      for (const [subject, id] of [
        ['user:gone', 's6'],
        ['user:served', 's7'],
      ] as const) {
        await world.record({
          type: 'session.revoked',
          subject,
          data: { reason: 'logout', session_ids: [id] },
        });
      }
      await world.published();
      [isGone, ran.length] = [true, 0];
      await world.cutRelayOff();
      await eventually(() => ran.includes('s7'), 3_000);
      await world.record(world.numbered('user:1', 1));
      await sleep(300);
      // What is not in effect again holds up the others.
      expect((await world.streamed()).at(-1)!.event_type).toBe('session.revoked');
      isGone = false;
      await world.published();
      expect(ran).toContain('s6');
    });

    it('of one batch wait side by side, and their events keep their order', async () => {
      const ids = Array.from({ length: 20 }, (_, i) => `s${i}`);
      let [under, most] = [0, 0];
      for (const id of ids)
        await world.record({
          type: 'session.revoked',
          subject: 'user:5',
          data: { reason: 'logout', session_ids: [id] },
        });
      startRelay((relay) =>
        relay.onEvent('session.revoked', async () => {
          most = Math.max(most, ++under);
          await sleep(50);
          under--;
        }),
      );
      await world.published();
      expect(most).toBeGreaterThan(5);
      const streamed = (await world.streamed()).filter(({ subject }) => subject === 'user:5');
      expect(streamed.map(({ data }) => JSON.parse(data!).session_ids[0])).toEqual(ids);
    });
  });

  describe('the stream', () => {
    beforeEach(() => world.redis.flushdb());

    const event = (number: number): LinkedEvent => ({
      eventId: `event-${number}`,
      type: 'user.updated',
      timestamp: new Date(),
      source: 'user_service',
      priority: 'normal',
      subject: 'user:6',
      actor: 'user:6',
      resource: null,
      data: { fields: [String(number)] },
      metadata: {},
      position: number,
      day: '2026-01-02',
      hash: Buffer.alloc(32, number),
    });
    /** As the relay does; the claim is its first attempt. */
    const claim = async (stream: RedisStream): Promise<void> => {
      await stream.held();
      await stream.claim();
    };
    const open = async (term: number, { claims = true } = {}): Promise<RedisStream> => {
      const redis = new RelayRedis(world.config);
      const stream = new RedisStream(world.config, redis, term);
      await redis.open();
      if (claims) await claim(stream);
      return stream;
    };

    it('refuses a publisher once one of a later term has come', async () => {
      const [early, late] = [await open(1), await open(2, { claims: false })];
      await early.append([event(1)]);
      await claim(late);
      await expect(early.append([event(2)])).rejects.toBeInstanceOf(Superseded);
      await late.append([event(2)]);
      expect((await world.streamed()).map(({ event_id }) => event_id)).toEqual(['event-1', 'event-2']);
      early.close();
      late.close();
    });

    it('refuses a batch that arrives after its repetition', async () => {
      const [first, lateArrival] = [await open(3), await open(3, { claims: false })];
      await first.append([event(1)]);
      await first.append([event(1)]);
      await expect(lateArrival.append([event(1)])).rejects.toBeInstanceOf(Superseded);
      expect(await world.streamed()).toHaveLength(2);
      first.close();
      lateArrival.close();
    });

    it('stays near its greatest length', async () => {
      const redis = new RelayRedis(world.config);
      const stream = new RedisStream({ ...world.config, EVENT_STREAM_MAXLEN: 1000 }, redis, 5);
      await redis.open();
      await claim(stream);
      for (let i = 0; i < 6; i++) await stream.append(Array.from({ length: 500 }, (_, n) => event(n)));
      expect(await world.redis.xlen(STREAM_KEY)).toBeLessThan(1200);
      stream.close();
    });
  });

  describe('metrics', () => {
    it('tell how far the relay is behind, and who leads', async () => {
      const metrics = new Metrics();
      new EventBacklog(world.db.manager, metrics).onModuleInit();
      const value = async (name: string): Promise<number> =>
        Number(new RegExp(`^${name} (.+)$`, 'm').exec(await metrics.scrape())?.[1]);

      await world.record(world.numbered('user:7', 1));
      await world.record(world.numbered('user:7', 2));
      await sleep(300);
      expect(await value('user_service_event_relay_pending')).toBe(2);
      expect(await value('user_service_event_relay_lag_seconds')).toBeGreaterThan(0.25);
      expect(await value('user_service_event_relay_leader')).toBe(0);
      expect(await value('user_service_events_unlinked')).toBe(2);
      expect(await value('user_service_events_unlinked_age_seconds')).toBeGreaterThan(0.25);

      startRelay(undefined, { REDIS_URL: 'redis://127.0.0.1:1' });
      await world.linked();
      expect(await value('user_service_events_unlinked')).toBe(0);
      expect(await value('user_service_events_unlinked_age_seconds')).toBe(0);
      expect(await value('user_service_event_relay_pending')).toBe(2);
      expect(await value('user_service_event_relay_lag_seconds')).toBeGreaterThan(0.25);
      await stopRelay();

      startRelay();
      await world.published();
      expect(await value('user_service_event_relay_pending')).toBe(0);
      expect(await value('user_service_event_relay_lag_seconds')).toBe(0);
      expect(await value('user_service_event_relay_leader')).toBe(1);
      expect(await metrics.scrape()).toMatch(
        /user_service_events_published_total\{event_type="user.updated"\} \d+/,
      );
      await stopRelay();
      expect(await value('user_service_event_relay_leader')).toBe(0);
    });
  });
});
