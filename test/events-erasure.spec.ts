import { Client } from 'pg';
import { migrations } from '../migrations';
import { Caller } from '../src/common/caller';
import { newId } from '../src/common/ids';
import { loadConfig } from '../src/config/config';
import { migrate } from '../src/infra/database/migrate';
import { EVENT_COLUMNS, EventRow } from '../src/infra/events/event-columns';
import { STREAM_KEY } from '../src/infra/events/targets/redis-stream';
import { EventData, EventType } from '../src/infra/events/event-types';
import { Events } from '../src/infra/events/events';
import { personalDigest } from '../src/infra/events/personal-data';
import { PurgeDeleted } from '../src/users/purge-deleted';
import { PurgeRecord } from '../src/users/purge-record';
import { deleteAccount } from './support/account-rows';
import { eventually, startService, TestService } from './support/app';
import { brokenLinks } from './support/chain-proof';
import { createTestDatabase } from './support/database';
import { dumpDatabase } from './support/dump-stores';
import { newSignedIn, SignedIn } from './support/people';

const CANARY = 'canary-of-the-leaver';
const ADDRESS = '198.51.100.77';

/** The parts of an account, by SQL: so many for each of two users. */
const MANY_PARTS = `
  INSERT INTO event_personal_data (event_id, "timestamp", part, user_id, salt, content)
  SELECT gen_random_uuid(), now() - n * interval '1 minute', 'metadata', unnest($1::uuid[]), '\\x00', '{"ip": "192.0.2.1"}'
  FROM generate_series(1, $2::int) AS n`;

describe('Personal data in events', () => {
  let service: TestService;
  beforeAll(async () => {
    // Statements as short as in production.
    service = await startService({ DATABASE_QUERY_TIMEOUT_MS: '1000' });
  });
  afterAll(() => service.stop());

  const purge = () => service.app.get(PurgeDeleted).run();

  const count = async (userId: string): Promise<number> => {
    const [row] = await service.db.query<[{ count: number }]>(
      `SELECT count(*)::int FROM event_personal_data WHERE user_id = $1`,
      [userId],
    );
    return row.count;
  };

  const purgedAt = async (userId: string): Promise<Date | null> => {
    const [row] = await service.db.query<[{ purged_at: Date | null }]>(
      `SELECT purged_at FROM users WHERE id = $1`,
      [userId],
    );
    return row.purged_at;
  };

  const published = () =>
    eventually(async () => {
      const [row] = await service.db.query<[{ done: boolean }]>(
        `SELECT chain_position = published_position AND NOT EXISTS (SELECT FROM event_outbox) AS done FROM event_relay`,
      );
      return row.done;
    }, 'the relay');

  async function record<T extends EventType>(
    by: SignedIn,
    type: T,
    of: SignedIn,
    data: EventData[T],
  ): Promise<void> {
    const caller: Caller = {
      requestId: `${CANARY}@example.org`,
      ip: ADDRESS,
      userAgent: CANARY,
      userId: by.userId,
      permissions: new Set(),
    };
    await service.db.transaction((tx) =>
      service.app.get(Events).record(tx, caller, { type, subject: `user:${of.userId}`, data }),
    );
  }

  /** Everything the tables hold, what is printable of it. */
  async function tablesWith(text: string): Promise<string[]> {
    const client = new Client({ connectionString: service.config.DATABASE_URL });
    await client.connect();
    try {
      const dump = await dumpDatabase(client);
      return [...dump]
        .filter(([, content]) => content.includes(text))
        .map(([name]) => name.replace(/_\d.*/, ''));
    } finally {
      await client.end();
    }
  }

  const eventRows = () =>
    service.db.query<{ event_id: string }[]>(
      `SELECT e.*, e."timestamp"::text AS at FROM events e ORDER BY event_id`,
    );

  async function left(person: SignedIn): Promise<void> {
    await deleteAccount(service, person.person.email);
    await service.db.query(`UPDATE users SET deleted_at = now() - interval '31 days' WHERE id = $1`, [
      person.userId,
    ]);
  }

  /** Somebody of whom events say all they can, and somebody else who had to do with them. */
  async function leaver(): Promise<{ person: SignedIn; other: SignedIn }> {
    const [person, other] = [await newSignedIn(service), await newSignedIn(service)];
    await record(person, 'api_key.created', person, {
      api_key_id: newId(),
      name: `${CANARY}'s key`,
      permissions: [],
      expires_at: null,
    });
    await record(person, 'trading_account.linked', person, { broker: 'kite', broker_user_id: CANARY });
    await record(person, 'trading_account.verified', person, { broker_user_id: CANARY });
    await record(person, 'trading_account.credentials_read', person, { reason: `for ${CANARY}`, fields: [] });
    // What they did to others is theirs, too.
    await record(person, 'user.reactivated', other, {});
    return { person, other };
  }

  it('are erased with the person, everywhere, and the chain still proves', async () => {
    const { person, other } = await leaver();
    await service.db.transaction((tx) =>
      service.app.get(Events).record(
        tx,
        {
          requestId: newId(),
          ip: '203.0.113.5',
          userAgent: 'office',
          userId: other.userId,
          permissions: new Set(),
        },
        { type: 'user.suspended', subject: `user:${person.userId}`, data: { reason: `${CANARY} was rude` } },
      ),
    );
    await published();
    expect(new Set(await tablesWith(CANARY))).toEqual(new Set(['event_personal_data']));
    expect(await tablesWith(ADDRESS)).not.toEqual([]);
    const before = await eventRows();
    const others = await count(other.userId);
    expect(await brokenLinks(service.db)).toEqual([]);

    await left(person);
    expect(await purge()).toBe(1);
    await published();
    expect(await count(person.userId)).toBe(0);
    expect(await tablesWith(CANARY)).toEqual([]);
    expect(await tablesWith(ADDRESS)).toEqual([]);
    const known = new Set(before.map(({ event_id }) => event_id));
    expect((await eventRows()).filter(({ event_id }) => known.has(event_id))).toEqual(before);
    expect(await brokenLinks(service.db)).toEqual([]);
    // What another person left there is theirs.
    expect(await count(other.userId)).toBe(others);

    const shown = await service.db.query<EventRow[]>(
      `SELECT ${EVENT_COLUMNS} FROM events e WHERE subject = $1 OR actor = $1`,
      [`user:${person.userId}`],
    );
    const of = (type: string) => shown.find((row) => row.event_type === type)!;
    expect(of('user.suspended').data).toEqual({});
    expect(of('user.suspended').metadata).toMatchObject({ ip: '203.0.113.5', user_agent: 'office' });
    expect(of('api_key.created').data).toEqual({
      api_key_id: expect.any(String),
      permissions: [],
      expires_at: null,
    });
    expect(of('trading_account.linked').data).toEqual({ broker: 'kite' });
    expect(of('trading_account.credentials_read').data).toEqual({ fields: [] });
    expect(of('user.reactivated').metadata).toEqual({});
    expect(of('user.purged').metadata).toEqual({ request_id: expect.any(String) });
  });

  it('do not come back when events are published again', async () => {
    const { person } = await leaver();
    await published();
    expect(JSON.stringify(await service.redis.xrange(STREAM_KEY, '-', '+'))).toContain(CANARY);
    await left(person);
    expect(await purge()).toBe(1);
    await published();
    const [{ events }] = await service.db.query<[{ events: number }]>(
      `SELECT count(*)::int AS events FROM events`,
    );
    // What was published stays where it went; what is published from now on is without it. As if Redis had lost all:
    await service.redis.del(...(await service.redis.keys(`*${STREAM_KEY}*`)));
    await service.db.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = $1`,
      [`${service.config.APP_NAME}:relay`],
    );
    await eventually(async () => (await service.redis.xlen(STREAM_KEY)) >= events, 'all events again');
    await published();
    const streamed = JSON.stringify(await service.redis.xrange(STREAM_KEY, '-', '+'));
    expect(streamed).toContain(person.userId);
    expect(streamed).not.toContain(CANARY);
    expect(streamed).not.toContain(ADDRESS);
  });

  it('of 100,000 events are erased under the deadlines of production, and nobody else’s', async () => {
    const [person, other] = [await newSignedIn(service), await newSignedIn(service)];
    // Not under the deadline that the purge is held to.
    const client = new Client({ connectionString: service.config.DATABASE_URL });
    await client.connect();
    await client.query(MANY_PARTS, [[person.userId, other.userId], 100_000]);
    await client.end();
    await left(person);
    const others = await count(other.userId);
    expect(await purge()).toBe(1);
    expect([await count(person.userId), await count(other.userId)]).toEqual([0, others]);
    expect(others).toBeGreaterThan(100_000);
    expect(await purgedAt(person.userId)).toEqual(expect.any(Date));
  });

  it('are erased before an account counts as purged, however often the purge is interrupted', async () => {
    const person = await newSignedIn(service);
    await service.db.query(MANY_PARTS, [[person.userId], 2_500]);
    await left(person);
    const all = await count(person.userId);
    const over = AbortSignal.abort();
    const write = () => service.app.get(PurgeRecord).write(person.userId, new Date(), over);
    expect(await write()).toBe(false);
    expect([await count(person.userId), await purgedAt(person.userId)]).toEqual([all - 1_000, null]);
    expect(await write()).toBe(false);
    expect([await count(person.userId), await purgedAt(person.userId)]).toEqual([all - 2_000, null]);
    expect(await purge()).toBe(1);
    expect([await count(person.userId), await purgedAt(person.userId)]).toEqual([0, expect.any(Date)]);
  });

  it('of a living account, and of one deleted yesterday, stay', async () => {
    const [living, recent] = [await newSignedIn(service), await newSignedIn(service)];
    await deleteAccount(service, recent.person.email);
    const before = [await count(living.userId), await count(recent.userId)];
    expect(Math.min(...before)).toBeGreaterThan(0);
    const month = new Date(Date.now() - 30 * 86_400_000);
    for (const { userId } of [living, recent])
      expect(await service.app.get(PurgeRecord).write(userId, month)).toBe(false);
    expect([await count(living.userId), await count(recent.userId)]).toEqual(before);
  });

  it('are erased once with two instances at it', async () => {
    const [person, other] = [await newSignedIn(service), await service.another()];
    try {
      await service.db.query(MANY_PARTS, [[person.userId], 5_000]);
      await left(person);
      await Promise.all(
        [service, other, service, other].map((one) =>
          one.app.get(PurgeRecord).write(person.userId, new Date()),
        ),
      );
      // By one of these, or by the other's own schedule.
      await eventually(() => purgedAt(person.userId), 'the purge');
      const [{ events }] = await service.db.query<[{ events: number }]>(
        `SELECT count(*)::int AS events FROM events WHERE event_type = 'user.purged' AND subject = $1`,
        [`user:${person.userId}`],
      );
      expect(events).toBe(1);
      expect(await count(person.userId)).toBe(0);
    } finally {
      await other.stop();
    }
  });

  it('keep an X-Request-ID that somebody chose apart, and the service’s own in the event', async () => {
    const person = await newSignedIn(service);
    const ask = (requestId: string) =>
      service
        .client()
        .patch('/v1/users/me', { name: `Asha ${requestId}` }, person.accessToken)
        .set('X-Request-ID', requestId)
        .expect(200);
    const own = newId();
    await ask('asha@example.org');
    await ask(own);
    const rows = await service.db.query<{ metadata: object }[]>(
      `SELECT metadata FROM events WHERE subject = $1 AND event_type = 'user.updated' ORDER BY event_id`,
      [`user:${person.userId}`],
    );
    expect(rows.map(({ metadata }) => metadata)).toEqual([{}, { request_id: own }]);
  });
});

describe('Events of a former release', () => {
  const OLD: [type: string, data: object, personal: string | null][] = [
    ['user.suspended', { reason: 'said "no"\n\u0001 to\tus – 北京 \ud83d\ude00 \\ /' }, 'reason'],
    ['user.suspended', { reason: null }, null],
    ['api_key.created', { api_key_id: 'k', name: 'Asha’s key', permissions: [], expires_at: null }, 'name'],
    ['trading_account.linked', { broker: 'kite', broker_user_id: 'AB1234' }, 'broker_user_id'],
    ['trading_account.verified', { broker_user_id: 'AB1234' }, 'broker_user_id'],
    ['trading_account.credentials_read', { reason: 'to trade', fields: ['api_key'] }, 'reason'],
    ['session.revoked', { reason: 'logout', session_ids: [] }, null],
    ['role.assigned', { role: 'trader' }, null],
  ];

  it('have what is personal of them moved aside, under digests that prove it', async () => {
    const stores = await createTestDatabase();
    const url = new URL(stores.databaseUrl);
    const admin = new Client({ connectionString: stores.databaseUrl });
    await admin.connect();
    const name = `old_${newId().replaceAll('-', '')}`;
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`);
    url.pathname = `/${name}`;
    const client = new Client({ connectionString: url.href });
    try {
      const config = loadConfig({ DATABASE_URL: url.href, REDIS_URL: stores.redisUrl });
      await migrate(config, migrations.slice(0, 11));
      await client.connect();
      const userId = newId();
      for (const [index, [type, data]] of OLD.entries())
        await client.query(
          `INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, data, metadata)
           VALUES ($1, $2, now(), 'user_service', 'normal', $3, $4, $5, $6)`,
          [
            newId(),
            type,
            `user:${userId}`,
            index % 2 ? 'anonymous' : `user:${userId}`,
            data,
            {
              request_id: index === 0 ? 'asha@example.org' : newId(),
              ip: '192.0.2.1',
              user_agent: index ? 'x' : null,
            },
          ],
        );
      await migrate(config, migrations);
      const { rows } = await client.query<{
        data: object;
        metadata: object;
        parts: { part: string; user_id: string; salt: string; content: Record<string, unknown> }[];
        digests: Record<string, string>;
      }>(
        `SELECT e.data, e.metadata, e.personal_digests AS digests, (
           SELECT jsonb_agg(jsonb_build_object('part', part, 'user_id', user_id, 'salt', encode(salt, 'hex'), 'content', content))
           FROM event_personal_data p WHERE p.event_id = e.event_id) AS parts
         FROM events e ORDER BY e.event_id`,
      );
      expect(rows).toHaveLength(OLD.length);
      for (const [index, [, old, personal]] of OLD.entries()) {
        const { data, metadata, parts, digests } = rows[index]!;
        const kept = Object.fromEntries(Object.entries(old).filter(([member]) => member !== personal));
        expect(data).toEqual(kept);
        expect(Object.keys(metadata)).toEqual(index === 0 ? [] : ['request_id']);
        expect(parts.map(({ part }) => part).sort()).toEqual(personal ? ['data', 'metadata'] : ['metadata']);
        for (const { part, user_id, salt, content } of parts) {
          expect(user_id).toBe(userId);
          expect(digests[part]).toBe(personalDigest(Buffer.from(salt, 'hex'), content));
          if (part === 'data') expect({ ...kept, ...content }).toEqual(old);
        }
      }
    } finally {
      await client.end();
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.end();
      await stores.drop();
    }
  });
});
