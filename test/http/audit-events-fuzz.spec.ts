import fc from 'fast-check';
import { eventTypes } from '../../src/infra/events/event-types';
import { parseInstant } from '../../src/common/is-instant.decorator';
import { startService, TestService } from '../support/app';
import { addEvents, auditEvents } from '../support/audit-events';
import { newSignedIn, SignedIn } from '../support/people';

const UNKNOWN = '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

interface Query {
  event_type?: string;
  start_date?: string;
  end_date?: string;
  limit?: string;
  offset?: string;
  after?: string;
  user_id?: string;
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom(
    '',
    ' ',
    '0',
    '-0',
    '1e1',
    '0x1',
    '\0',
    "' OR 1=1 --",
    '%',
    '__proto__',
    'null',
    'NaN',
    UNKNOWN,
  ),
);
const time = fc.oneof(
  text,
  fc
    .date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-12-31') })
    .map((date) => date.toISOString()),
  fc.constantFrom(
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999999999Z',
    '2020-05-01T00:00:00+23:59',
    '2020-05-01t00:00:00z',
  ),
);
const number = fc.oneof(text, fc.integer({ min: -2, max: 20_000 }).map(String));

describe('queries of events', () => {
  let service: TestService;
  let me: SignedIn;
  let known: string[];
  beforeAll(async () => {
    service = await startService();
    me = await newSignedIn(service);
    known = await addEvents(
      service,
      ...Array.from({ length: 30 }, (_, i) => ({
        subject: `user:${me.userId}`,
        at: new Date(Date.UTC(2020, 4, 1, i)).toISOString(),
        type: i % 2 ? 'user.login' : 'user.logout',
      })),
    );
  });
  afterAll(() => service.stop());

  const isWhole = (given: string | undefined, least: number, most: number): boolean =>
    given === undefined || (/^\d{1,9}$/.test(given) && Number(given) >= least && Number(given) <= most);
  const isTime = (given: string | undefined): boolean => given === undefined || parseInstant(given) !== null;

  /** Whether the documented rules allow it. */
  function isGood(query: Query): boolean {
    const from = query.start_date === undefined ? null : parseInstant(query.start_date);
    const to = query.end_date === undefined ? null : parseInstant(query.end_date);
    return (
      isWhole(query.limit, 1, 1000) &&
      isWhole(query.offset, 0, 10_000) &&
      isTime(query.start_date) &&
      isTime(query.end_date) &&
      !(from && to && from >= to) &&
      (query.event_type === undefined || eventTypes.some((type) => type === query.event_type)) &&
      (query.after === undefined ||
        (known.includes(query.after.toLowerCase()) && Number(query.offset ?? 0) === 0))
    );
  }

  it('are answered, or refused with the names of what is wrong, whatever they say', async () => {
    const query = fc.record<Query>(
      {
        event_type: fc.oneof(text, fc.constantFrom(...eventTypes)),
        start_date: time,
        end_date: time,
        limit: number,
        offset: number,
        after: fc.oneof(
          text,
          fc.integer({ min: 0, max: 29 }).map((i) => known[i] ?? ''),
        ),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(query, async (given) => {
        const { status, body } = await auditEvents(service, me.accessToken, { ...given });
        expect([status, body.code]).toEqual(isGood(given) ? [200, undefined] : [422, 'validation_failed']);
        if (status !== 422) return;
        expect(body.errors.length).toBeGreaterThan(0);
        for (const { field } of body.errors as { field: string }[])
          expect(Object.keys(given)).toContain(field);
      }),
      { numRuns: 300 },
    );
  });

  it('show nothing of anybody else, whoever is named', async () => {
    const ids = fc.oneof(text, fc.uuid(), fc.constantFrom(me.userId, me.userId.toUpperCase()));
    await fc.assert(
      fc.asyncProperty(ids, async (user_id) => {
        const { status, body } = await auditEvents(service, me.accessToken, { user_id });
        const isMe = user_id.toLowerCase() === me.userId;
        expect(status).toBe(isMe ? 200 : UUID.test(user_id) ? 404 : 422);
        if (isMe) expect(body.total).toBe(34);
      }),
      { numRuns: 100 },
    );
  });

  it('find what a plain filter would, whatever the dates, the type and the page', async () => {
    const hour = (n: number): string => new Date(Date.UTC(2020, 4, 1, n)).toISOString();
    const query = fc.record({
      from: fc.integer({ min: 0, max: 30 }),
      hours: fc.integer({ min: 1, max: 31 }),
      type: fc.constantFrom(undefined, 'user.login', 'user.logout', 'mfa.enabled'),
      limit: fc.integer({ min: 1, max: 12 }),
      offset: fc.integer({ min: 0, max: 35 }),
    });
    await fc.assert(
      fc.asyncProperty(query, async ({ from, hours, type, limit, offset }) => {
        const expected = known
          .map((id, i) => ({ id, i, type: i % 2 ? 'user.login' : 'user.logout' }))
          .filter((event) => event.i >= from && event.i < from + hours && (!type || event.type === type))
          .reverse()
          .map(({ id }) => id);
        const { body } = await auditEvents(service, me.accessToken, {
          start_date: hour(from),
          end_date: hour(from + hours),
          ...(type && { event_type: type }),
          limit,
          offset,
        }).expect(200);
        expect((body.events as { event_id: string }[]).map(({ event_id }) => event_id)).toEqual(
          expected.slice(offset, offset + limit),
        );
        expect([body.total, body.has_more]).toEqual([expected.length, offset + limit < expected.length]);
      }),
      { numRuns: 100 },
    );
  });
});
