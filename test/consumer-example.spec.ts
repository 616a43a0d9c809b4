import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { newId } from '../src/common/ids';
import { STREAM_FIELDS, STREAM_KEY } from '../src/infra/events/targets/redis-stream';
import { eventually } from './support/app';
import { OwnServers, startOwnServers } from './support/servers';
import { Subscriber } from './support/subscriber';

const SUBJECTS = 7;

describe('The consumer example', () => {
  let servers: OwnServers;
  let redis: Redis;
  let database: Pool;
  let position = 0;
  const running = new Set<Subscriber>();

  beforeAll(async () => {
    servers = await startOwnServers();
    redis = new Redis(servers.redisUrl);
    redis.on('error', () => undefined);
    database = new Pool({ connectionString: servers.databaseUrl });
    database.on('error', () => undefined);
  });
  afterAll(async () => {
    redis.disconnect();
    await database.end();
    await servers.stop();
  });
  beforeEach(async () => {
    await redis.flushdb();
    await database.query('DROP TABLE IF EXISTS handled_events, set_aside_events, activity');
  });
  afterEach(async () => {
    await Promise.all([...running].map((one) => one.end('SIGKILL')));
    running.clear();
  });

  function start(name: string, env: Record<string, string> = {}): Subscriber {
    const subscriber = new Subscriber('consumer.mjs', {
      REDIS_URL: servers.redisUrl,
      DATABASE_URL: servers.databaseUrl,
      GROUP: 'group',
      CONSUMER: name,
      ABANDONED_MS: '500',
      MAX_DELIVERIES: '1000',
      ...env,
    });
    running.add(subscriber);
    return subscriber;
  }

  async function stop(subscriber: Subscriber, signal: NodeJS.Signals): Promise<number | null> {
    running.delete(subscriber);
    return subscriber.end(signal);
  }

  function entry(change: Record<string, string> = {}): Record<string, string> {
    position++;
    return {
      event_id: newId(),
      event_type: 'user.updated',
      timestamp: new Date().toISOString(),
      source: 'user_service',
      priority: 'normal',
      subject: `user:${position % SUBJECTS}`,
      actor: 'system',
      resource: '',
      data: '{"fields":["name"]}',
      metadata: '{}',
      version: '1',
      chain_position: String(position),
      chain_hash: 'f'.repeat(64),
      ...change,
    };
  }

  /** Adds events as the relay does, some of them twice. @returns their ids. */
  async function publish(count: number): Promise<Set<string>> {
    const entries = Array.from({ length: count }, () => entry());
    const pipeline = redis.pipeline();
    for (const [index, fields] of entries.entries())
      for (let copy = 0; copy < (index % 5 === 0 ? 2 : 1); copy++)
        pipeline.xadd(STREAM_KEY, '*', ...Object.entries(fields).flat());
    await pipeline.exec();
    return new Set(entries.map(({ event_id }) => event_id!));
  }

  const one = async <T>(sql: string): Promise<T> => (await database.query<{ value: T }>(sql)).rows[0]!.value;
  const handled = (): Promise<number> =>
    one<number>('SELECT count(*)::int AS value FROM handled_events').catch(() => 0);
  const effects = (): Promise<number> => one('SELECT coalesce(sum(events), 0)::int AS value FROM activity');

  /** Nothing is unfinished, and every event had its effect once. */
  async function finished(ids: Set<string>): Promise<void> {
    await eventually(async () => (await handled()) === ids.size, 'every event', 20_000);
    await eventually(
      async () => {
        const [group] = (await redis.xinfo('GROUPS', STREAM_KEY)) as unknown[][];
        const info = Object.fromEntries(group!.flatMap((name, i) => (i % 2 ? [] : [[name, group![i + 1]]])));
        const [last] = await redis.xrevrange(STREAM_KEY, '+', '-', 'COUNT', 1);
        return info.pending === 0 && info['last-delivered-id'] === last![0];
      },
      'every entry acknowledged',
      20_000,
    );
    const { rows } = await database.query<{ event_id: string }>('SELECT event_id FROM handled_events');
    expect(new Set(rows.map(({ event_id }) => event_id))).toEqual(ids);
    expect(await effects()).toBe(ids.size);
    expect(await one('SELECT count(*)::int AS value FROM set_aside_events')).toBe(0);
  }

  it('reads what the service writes', () => {
    expect(Object.keys(entry())).toEqual([...STREAM_FIELDS]);
  });

  it('gives each event its effect exactly once, however often it is killed in the middle', async () => {
    const ids = await publish(300);
    let kills = 0;
    for (let before = 0; before < ids.size && kills < 12; kills++) {
      const consumer = start('only');
      await eventually(async () => (await handled()) > before, 'progress', 15_000);
      await sleep((kills * 7) % 30);
      await stop(consumer, 'SIGKILL');
      before = await handled();
    }
    expect(kills).toBeGreaterThan(3);
    start('only');
    await finished(ids);
  });

  it('shares the work of a group, and takes over what a dead one had in hand', async () => {
    const [first, second] = [start('first'), start('second')];
    const members = async (): Promise<unknown[]> =>
      ((await redis.xinfo('CONSUMERS', STREAM_KEY, 'group')) as unknown[][]).map((consumer) => consumer[1]);
    const ids = await publish(300);
    // The second may do all of it before the first has started.
    await eventually(
      async () => (await handled()) > 20 && (await members()).includes('first'),
      'both',
      15_000,
    );
    await stop(first, 'SIGKILL');
    for (const id of await publish(200)) ids.add(id);
    await finished(ids);
    expect(await stop(second, 'SIGTERM')).toBe(0);
    expect(await members()).toEqual(['first', 'second']);
    expect(await one('SELECT max(last_position)::int AS value FROM activity')).toBe(position);
  });

  it('goes on when Redis was killed, and when PostgreSQL was', async () => {
    const consumer = start('only');
    const ids = await publish(150);
    await eventually(async () => (await handled()) > 10, 'progress');
    await servers.killRedis();
    await sleep(300);
    await servers.restartRedis();
    await eventually(async () => (await redis.ping()) === 'PONG', 'Redis');
    for (const id of await publish(150)) ids.add(id);
    await servers.killPostgres();
    await sleep(300);
    await servers.restartPostgres();
    await finished(ids);
    expect(consumer.output).toContain('trying again');
    expect(await stop(consumer, 'SIGTERM')).toBe(0);
  });

  it('goes on when its connection is lost in the middle of a transaction', async () => {
    const consumer = start('only');
    await finished(await publish(1));
    await redis.del(STREAM_KEY);
    await database.query('TRUNCATE handled_events, activity');
    const locker = await database.connect();
    locker.on('error', () => undefined);
    await locker.query('BEGIN; LOCK activity');
    const ids = await publish(5);
    const waiting = (): Promise<number | null> =>
      one(`SELECT max(pid) AS value FROM pg_stat_activity
           WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO activity%'`);
    await eventually(async () => (await waiting()) !== null, 'the middle of a transaction');
    // Nothing says goodbye; PostgreSQL ends all other connections too, and recovers.
    process.kill((await waiting())!, 'SIGKILL');
    locker.release(true);
    await finished(ids);
    expect(await stop(consumer, 'SIGTERM')).toBe(0);
  });

  it('needs no more of Redis than the README says', async () => {
    const readme = readFileSync(join(__dirname, '../docs/subscribers/README.md'), 'utf8');
    const [, rules] = /`ACL SETUSER billing on >… ([^`]+)`/.exec(readme)!;
    await redis.acl('SETUSER', 'billing', 'on', '>pass', ...rules!.split(' '));
    const url = Object.assign(new URL(servers.redisUrl), { username: 'billing', password: 'pass' }).href;
    const billing = new Redis(url);
    await expect(billing.get('other')).rejects.toThrow('NOPERM');
    billing.disconnect();
    const ids = await publish(30);
    const consumer = start('only', { REDIS_URL: url });
    await finished(ids);
    expect(consumer.output).not.toContain('trying again');
  });

  it('sets an entry aside that cannot be handled, where it can be seen, and goes on', async () => {
    await redis.xadd(STREAM_KEY, '*', ...Object.entries(entry({ data: 'not JSON' })).flat());
    await redis.xadd(STREAM_KEY, '*', ...Object.entries(entry({ version: '2' })).flat());
    const ids = await publish(20);
    const consumer = start('only', { MAX_DELIVERIES: '3', ABANDONED_MS: '100' });
    await eventually(
      async () =>
        (await one<number>('SELECT count(*)::int AS value FROM set_aside_events').catch(() => 0)) === 2,
      'both set aside',
    );
    expect(await handled()).toBe(ids.size);
    const { rows } = await database.query<{ fields: Record<string, string>; reason: string }>(
      'SELECT fields, reason FROM set_aside_events ORDER BY entry_id',
    );
    expect(rows).toEqual([
      { fields: expect.objectContaining({ data: 'not JSON' }), reason: expect.stringContaining('JSON') },
      { fields: expect.objectContaining({ version: '2' }), reason: expect.stringContaining('version 2') },
    ]);
    expect(consumer.output.match(/delivery [123]:/g)).toHaveLength(6);
    expect((await redis.xpending(STREAM_KEY, 'group'))[0]).toBe(0);
    await eventually(async () => (await effects()) === ids.size, 'the effects');
  });

  it('tells of entries that were trimmed while a dead one had them in hand', async () => {
    const [kept] = await publish(1);
    for (let i = 0; i < 2; i++) await redis.xadd(STREAM_KEY, '*', ...Object.entries(entry()).flat());
    await redis.xgroup('CREATE', STREAM_KEY, 'group', '0');
    await redis.xreadgroup('GROUP', 'group', 'dead', 'COUNT', 10, 'STREAMS', STREAM_KEY, '>');
    const lost = (await redis.xrevrange(STREAM_KEY, '+', '-', 'COUNT', 2)).map(([id]) => id).reverse();
    await redis.xdel(STREAM_KEY, ...lost);
    start('only', { ABANDONED_MS: '100' });
    const setAside = () =>
      database
        .query<{ entry_id: string; fields: unknown }>(
          'SELECT entry_id, fields FROM set_aside_events ORDER BY entry_id',
        )
        .then(({ rows }) => rows.length === 2 && rows)
        .catch(() => null);
    expect(await eventually(setAside, 'both set aside')).toEqual(
      lost.map((entry_id) => ({ entry_id, fields: null })),
    );
    await eventually(async () => (await handled()) === 1, 'the other');
    expect(await one('SELECT event_id AS value FROM handled_events')).toBe(kept);
  });

  it('finds what a dead one left also behind very many that others work on', async () => {
    await publish(600);
    await redis.xgroup('CREATE', STREAM_KEY, 'group', '0');
    await redis.xreadgroup('GROUP', 'group', 'busy', 'COUNT', 1_000, 'STREAMS', STREAM_KEY, '>');
    const left = await publish(3);
    await redis.xreadgroup('GROUP', 'group', 'dead', 'COUNT', 10, 'STREAMS', STREAM_KEY, '>');
    const pending = (await redis.xpending(STREAM_KEY, 'group', '-', '+', 10, 'dead')) as [string][];
    for (const [id] of pending)
      await redis.call('XCLAIM', STREAM_KEY, 'group', 'dead', '0', id, 'IDLE', '120000', 'JUSTID');
    start('only', { ABANDONED_MS: '60000' });
    await eventually(async () => (await handled()) === left.size, 'what the dead one left');
  });
});
