import type { ValidateFunction } from 'ajv';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { STREAM_FIELDS, STREAM_KEY } from '../../src/infra/events/targets/redis-stream';
import { eventSchemas } from '../../src/infra/events/event-schemas';
import { eventPriorities, EventType, eventTypes } from '../../src/infra/events/event-types';
import { exampleOf, jsonSchema } from '../../src/doors/http/asyncapi-schemas';
import { newId } from '../../src/common/ids';
import { EVENT_COLUMNS, EventRow, toEvent } from '../../src/infra/events/event-columns';
import { webhookMessage } from '../../src/webhooks/sending/webhook-message';
import { TEST_EVENT_TYPE } from '../../src/webhooks/sending/webhook-sender.service';
import { eventually, startService, TestService } from '../support/app';
import { AsyncApi, asyncApiCheck, checkOf, referenced } from '../support/asyncapi';
import { newSignedIn } from '../support/people';

const channels = ['stream', 'webhook'] as const;
type Channel = (typeof channels)[number];
const committed = JSON.parse(
  readFileSync(join(__dirname, '../../docs/asyncapi.json'), 'utf8'),
) as AsyncApi<Channel>;

/** Held against the payload of a message. */
const payloadOf = (channel: Channel, type: string): ValidateFunction =>
  checkOf(committed, `channels/${channel}/messages/${type}/payload`);

describe('The AsyncAPI document', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ DOCS_ENABLED: 'false' });
  });
  afterAll(() => service.stop());

  it('is served as it is committed (write it with `npm run docs`), also where the pages are turned off', async () => {
    const { body } = await service.client().get('/asyncapi.json').expect(200).expect('Content-Type', /json/);
    expect(body).toEqual(committed);
  });

  it('is an AsyncAPI 3.0.0 document, and no reference of it leads nowhere', () => {
    const validate = asyncApiCheck();
    expect(validate(committed) ? [] : validate.errors).toEqual([]);
    const broken = { ...committed, channels: { stream: { adress: 'x' } } };
    expect(validate(broken)).toBe(false);

    const found = Object.entries(referenced(committed));
    expect(found.length).toBeGreaterThan(3 * eventTypes.length);
    for (const one of found) expect(one).toEqual([one[0], expect.any(Object)]);
  });

  it('has a message for every type on the stream and for webhooks, and the service sends all of them', () => {
    expect(committed.channels.stream.address).toBe(STREAM_KEY);
    for (const channel of channels) {
      const more = channel === 'webhook' ? [TEST_EVENT_TYPE] : [];
      expect(Object.keys(committed.channels[channel].messages)).toEqual([...eventTypes, ...more]);
      const operation = Object.values(committed.operations).find(
        ({ channel: { $ref } }) => $ref === `#/channels/${channel}`,
      );
      expect(operation).toMatchObject({ action: 'send' });
      expect(operation!.messages).toHaveLength(eventTypes.length);
      expect(committed.components.schemas[`${channel}_fields`]!.required).toEqual([...STREAM_FIELDS]);
    }
    expect(committed.channels.webhook.messages['user.login']!.headers).toEqual({
      $ref: '#/components/schemas/webhook_headers',
    });
  });

  it.each(eventTypes)('%s says what it is, which fields it has, and shows an example that fits', (type) => {
    for (const channel of channels) {
      const message = committed.channels[channel].messages[type]!;
      expect(message.summary).toMatch(/^[\W\w]{10,}\.$/);
      expect(message.payload.allOf[1].properties).toMatchObject({
        event_type: { const: type },
        priority: { const: eventPriorities[type] ?? 'normal' },
      });
      const [{ payload }] = message.examples;
      const check = payloadOf(channel, type);
      expect(check(payload) ? [] : check.errors).toEqual([]);
      expect(check({ ...payload, event_type: 'other' })).toBe(false);
      const data: unknown = channel === 'stream' ? JSON.parse(payload.data as string) : payload.data;
      expect(eventSchemas[type].data.strict().safeParse(data).error).toBeUndefined();
    }
  });

  it('describes the request that tries a webhook', () => {
    const event = {
      eventId: newId(),
      type: TEST_EVENT_TYPE,
      timestamp: new Date(),
      source: 'user_service',
      priority: 'normal',
      subject: `webhook:${newId()}`,
      actor: 'system',
      resource: null,
      data: { webhook_id: newId() },
      metadata: {},
    } as const;
    const read = (position: number | null): unknown =>
      JSON.parse(webhookMessage(event, { position, hash: null }).body.toString());
    const check = payloadOf('webhook', TEST_EVENT_TYPE);
    expect(check(read(null)) ? [] : check.errors).toEqual([]);
    expect(check(read(1))).toBe(false);
  });

  it('describes the bodies that webhooks get', async () => {
    const { userId } = await newSignedIn(service);
    const rows = await service.db.query<EventRow[]>(
      `SELECT ${EVENT_COLUMNS} FROM events e WHERE subject = $1`,
      [`user:${userId}`],
    );
    expect(rows.length).toBeGreaterThanOrEqual(3);
    for (const row of rows) {
      const { body } = webhookMessage(toEvent(row), { position: 4711, hash: 'ab'.repeat(32) });
      const check = payloadOf('webhook', row.event_type);
      expect(check(JSON.parse(body.toString())) ? [] : check.errors).toEqual([]);
    }
  });

  it('takes members to come, but none that has another type', () => {
    const check = payloadOf('webhook', 'user.logout');
    const [{ payload }] = committed.channels.webhook.messages['user.logout']!.examples;
    const data = payload.data as object;
    expect(check({ ...payload, more: 1, data: { ...data, more: 1 } })).toBe(true);
    expect(check({ ...payload, data: { ...data, all_devices: 'yes' } })).toBe(false);
    expect(check({ ...payload, chain_hash: 'x' })).toBe(false);
  });

  it('requires no member that may be erased', () => {
    const personal = eventTypes.filter((type) => eventSchemas[type].personal.length > 0);
    expect(personal).toEqual([
      'user.suspended',
      'api_key.created',
      'trading_account.linked',
      'trading_account.verified',
      'trading_account.credentials_read',
    ]);
    for (const type of personal) {
      const { required, properties } = committed.components.schemas[type]!;
      for (const name of eventSchemas[type].personal as readonly string[]) {
        expect(properties).toHaveProperty(name);
        expect(required).not.toContain(name);
      }
    }
  });

  it('describes the entries that are on the stream', async () => {
    const { userId } = await newSignedIn(service);
    const mine = await eventually(async () => {
      const all = (await service.redis.xrange(STREAM_KEY, '-', '+')).map(([, fields]) =>
        Object.fromEntries(fields.flatMap((value, i) => (i % 2 ? [] : [[value, fields[i + 1]!]]))),
      );
      const found = all.filter(({ subject }) => subject === `user:${userId}`);
      return found.some(({ event_type }) => event_type === 'session.created') && found;
    }, 'the sign-in');
    expect(mine.length).toBeGreaterThanOrEqual(3);
    for (const entry of mine) {
      expect(Object.keys(entry)).toEqual([...STREAM_FIELDS]);
      const check = payloadOf('stream', entry.event_type as EventType);
      expect(check(entry) ? [] : check.errors).toEqual([]);
    }
  });
});

describe('exampleOf', () => {
  it('refuses a schema that shows none', () => {
    expect(() => exampleOf({ type: 'string' })).toThrow('no example of {"type":"string"}');
    expect(jsonSchema(eventSchemas['user.logout'].data)).not.toHaveProperty('$schema');
  });
});
