import fc from 'fast-check';
import { Caller } from '../src/common/caller';
import { Clock } from '../src/common/clock';
import { newId } from '../src/common/ids';
import { CANONICAL_COLUMNS, CanonicalEvent, eventHash } from '../src/infra/events/chain-hash';
import { Events, NewEvent } from '../src/infra/events/events';
import { personalDigest } from '../src/infra/events/personal-data';
import { createTestDatabase, TestDatabase } from './support/database';
import { EventWorld } from './support/event-world';

describe('whatever the service writes,', () => {
  let stores: TestDatabase;
  let world: EventWorld;

  beforeAll(async () => {
    stores = await createTestDatabase();
    world = await EventWorld.create(stores.databaseUrl, stores.redisUrl);
  });
  afterAll(async () => {
    await world.close();
    await stores.drop();
  });

  const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((s) => s.replaceAll('\0', ''));
  const json = fc
    .jsonValue({ maxDepth: 3, stringUnit: 'grapheme' })
    .filter((value) => !JSON.stringify(value).includes('\\u0000'));
  const caller: Caller = {
    requestId: newId(),
    ip: '192.0.2.1',
    userAgent: 'test',
    userId: newId(),
    permissions: new Set(),
  };
  const record = async (event: NewEvent): Promise<CanonicalEvent> => {
    const events = new Events(new Clock(), world.config);
    await world.db.transaction((tx) => events.record(tx, caller, event));
    const [row] = await world.db.query<CanonicalEvent[]>(
      `SELECT ${CANONICAL_COLUMNS} FROM events e WHERE subject = $1`,
      [event.subject],
    );
    return row!;
  };

  it('an event has the same hash when PostgreSQL gives it back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(text, json, { maxKeys: 5 }), async (data) => {
        const event = { type: 'user.updated', subject: `user:${newId()}`, data } as unknown as NewEvent;
        const row = await record(event);
        const written = JSON.parse(JSON.stringify(data)) as object;
        expect(eventHash(row)).toEqual(eventHash({ ...row, data: written }));
        expect(row.data).toEqual(written);
      }),
      { numRuns: 300 },
    );
  });

  it('what is kept apart fits its digest when PostgreSQL gives it back', async () => {
    await fc.assert(
      fc.asyncProperty(text, text, async (reason, userAgent) => {
        const subject = `user:${newId()}`;
        const events = new Events(new Clock(), world.config);
        await world.db.transaction((tx) =>
          events.record(tx, { ...caller, userAgent }, { type: 'user.suspended', subject, data: { reason } }),
        );
        const parts = await world.db.query(
          `SELECT p.part, p.salt, p.content, e.personal_digests
           FROM event_personal_data p JOIN events e USING (event_id, "timestamp") WHERE e.subject = $1 ORDER BY part`,
          [subject],
        );
        expect(parts.map(({ content }: { content: object }) => content)).toEqual([
          { reason },
          { ip: caller.ip, user_agent: userAgent },
        ]);
        for (const { part, salt, content, personal_digests } of parts)
          expect(personal_digests[part]).toBe(personalDigest(salt, content));
      }),
      { numRuns: 100 },
    );
  });

  it.each(['\0', '\ud800'])('%j is refused as a whole: PostgreSQL has no such text', async (reason) => {
    const waiting = async (): Promise<number> => (await world.db.query(`SELECT FROM event_outbox`)).length;
    const before = await waiting();
    const event: NewEvent<'user.suspended'> = {
      type: 'user.suspended',
      subject: 'user:9',
      data: { reason },
    };
    await expect(world.record(event)).rejects.toThrow(/Unicode|json/);
    expect(await world.db.query(`SELECT FROM events WHERE subject = 'user:9'`)).toEqual([]);
    expect(await waiting()).toBe(before);
  });
});
