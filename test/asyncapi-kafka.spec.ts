import { loadConfig } from '../src/config/config';
import { newId } from '../src/common/ids';
import { asyncApiDocument } from '../src/doors/http/asyncapi';
import { EVENT_VERSION, eventMessage } from '../src/infra/events/event-message';
import { eventTypes } from '../src/infra/events/event-types';
import { recordOf } from '../src/infra/events/targets/kafka-topic';
import { AsyncApi, asyncApiCheck, checkOf, referenced } from './support/asyncapi';

const KAFKA = { EVENT_RELAY: 'kafka', KAFKA_BROKERS: 'broker:9092', KAFKA_TOPIC: 'identity.events' };
const SASL = { KAFKA_SASL_USERNAME: 'user-service', KAFKA_SASL_PASSWORD: 'not-a-real-one' };

const documentOf = (settings: Record<string, string> = {}): AsyncApi<'topic' | 'webhook'> =>
  asyncApiDocument(loadConfig({ ...KAFKA, ...settings })) as AsyncApi<'topic' | 'webhook'>;

describe('The AsyncAPI document of a service that publishes to Kafka', () => {
  const document = documentOf();

  it('is an AsyncAPI 3.0.0 document, and no reference of it leads nowhere', () => {
    const validate = asyncApiCheck();
    for (const each of [document, documentOf({ ...SASL, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SSL: 'true' })])
      expect(validate(each) ? [] : validate.errors).toEqual([]);
    for (const one of Object.entries(referenced(document))) expect(one).toEqual([one[0], expect.any(Object)]);
  });

  it('has the topic in the place of the stream, and says nothing of its brokers', () => {
    expect(Object.keys(document.channels)).toEqual(['topic', 'webhook']);
    expect(document.channels.topic.address).toBe('identity.events');
    expect(Object.keys(document.channels.topic.messages)).toEqual([...eventTypes]);
    expect(document.servers.kafka!.protocol).toBe('kafka');
    expect(document.servers.kafka).not.toHaveProperty('security');
    const text = JSON.stringify(document);
    expect(text).not.toMatch(/broker:9092|redis|stream_fields|a stream/i);
  });

  it.each([
    ['plain', 'plain'],
    ['scram-sha-256', 'scramSha256'],
    ['scram-sha-512', 'scramSha512'],
  ])('tells that brokers ask for %s over TLS', (mechanism, type) => {
    const { servers, components } = documentOf({
      ...SASL,
      KAFKA_SASL_MECHANISM: mechanism,
      KAFKA_SSL: 'true',
    });
    expect(servers.kafka).toMatchObject({
      protocol: 'kafka-secure',
      security: [{ $ref: '#/components/securitySchemes/kafka' }],
    });
    expect(components.securitySchemes.kafka!.type).toBe(type);
    expect(JSON.stringify({ servers, components })).not.toMatch(/user-service|not-a-real-one/);
  });

  it.each(eventTypes)('shows an example of %s that fits', (type) => {
    const { payload, headers, examples } = document.channels.topic.messages[type]!;
    expect(payload.allOf[0]).toEqual({ $ref: '#/components/schemas/topic_fields' });
    expect(headers).toEqual({ $ref: '#/components/schemas/topic_headers' });
    const check = checkOf(document, `channels/topic/messages/${type}/payload`);
    expect(check(examples[0].payload) ? [] : check.errors).toEqual([]);
  });

  it('describes the records that are sent', () => {
    const [id, userId] = [newId(), newId()];
    const event = {
      eventId: id,
      type: 'session.revoked',
      timestamp: new Date(),
      source: 'user_service',
      priority: 'normal',
      subject: `user:${userId}`,
      actor: 'system',
      resource: null,
      data: { reason: 'logout', session_ids: [newId()] },
      metadata: { request_id: 'r' },
    } as const;
    const link = { position: 4711, day: '2026-01-31', hash: Buffer.alloc(32, 7) };
    const record = recordOf({ ...event, ...link });
    expect(record.key).toBe(event.subject);
    expect(record.value).toEqual(eventMessage(event, { position: 4711, hash: link.hash.toString('hex') }));
    const fits = (path: string, value: unknown): unknown => {
      const check = checkOf(document, path);
      return check(value) ? [] : check.errors;
    };
    expect(fits('components/schemas/topic_headers', record.headers)).toEqual([]);
    expect(record.headers).toMatchObject({ event_id: id, version: EVENT_VERSION });
    expect(
      fits('channels/topic/messages/session.revoked/payload', JSON.parse(record.value.toString())),
    ).toEqual([]);
  });
});
