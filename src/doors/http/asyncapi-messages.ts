import { eventSchemas } from '../../infra/events/event-schemas';
import { EVENT_VERSION } from '../../infra/events/event-message';
import { STREAM_FIELDS } from '../../infra/events/targets/redis-stream';
import { eventPriorities, EventType, eventTypes } from '../../infra/events/event-types';
import { TEST_EVENT_TYPE } from '../../webhooks/sending/webhook-sender.service';
import { exampleOf, JsonSchema, jsonSchema } from './asyncapi-schemas';

/** Who gets it: an entry of the stream has texts only; a record of the topic and the body of a webhook have objects. */
export type Carrier = 'stream' | 'topic' | 'webhook';

const ID = '0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10';
const HASH = 'f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2';

const METADATA: JsonSchema = {
  type: 'object',
  description: 'Of the request. All but `api_key_id` may be erased.',
  properties: {
    request_id: { type: 'string', description: 'Correlates replies, logs and events' },
    ip: { type: 'string', description: 'Of the client. Not with what the service does by itself' },
    user_agent: { type: ['string', 'null'] },
    api_key_id: { type: 'string', format: 'uuid', description: 'Where a service called with its key' },
  },
};
const METADATA_EXAMPLE = { request_id: ID, ip: '203.0.113.7', user_agent: 'Mozilla/5.0' };

/** What every event has, beside its type and its data. */
const COMMON: Record<Exclude<(typeof STREAM_FIELDS)[number], 'event_type' | 'data'>, JsonSchema> = {
  event_id: {
    type: 'string',
    format: 'uuid',
    description: 'The same however often the event arrives: what has its effect once is known by it',
  },
  timestamp: { type: 'string', format: 'date-time', description: 'When it was recorded, UTC' },
  source: { type: 'string', description: 'The name of the service' },
  priority: { type: 'string', enum: ['low', 'normal', 'high', 'critical'] },
  subject: {
    type: 'string',
    description:
      'What it happened to, `kind:id`, nearly always `user:<id>`. Its events keep their order, but for webhooks',
  },
  actor: { type: 'string', description: 'Who did it: `user:<id>`, `system` or `anonymous`' },
  resource: {
    type: ['string', 'null'],
    description: 'The object concerned, `kind:id`, where it is not the subject',
  },
  metadata: METADATA,
  version: { type: 'string', const: EVENT_VERSION, description: 'Of these fields' },
  chain_position: { type: 'integer', minimum: 1, description: 'In the hash chain: 1, 2, 3 … without a gap' },
  chain_hash: {
    type: 'string',
    pattern: '^[0-9a-f]{64}$',
    description:
      'Of the chain up to this event, SHA-256. Keep it with the position, and you witness the chain',
  },
};

/** Version of the words that AsyncAPI has for Kafka. */
export const KAFKA_BINDING = '0.5.0';
const KEYED_BY_SUBJECT = {
  kafka: { key: { type: 'string', description: 'The `subject`' }, bindingVersion: KAFKA_BINDING },
};

/** Of a record of the topic: what a subscriber needs to leave one unread. */
export const topicHeaders: JsonSchema = {
  type: 'object',
  required: ['event_id', 'event_type', 'version'],
  properties: {
    event_id: COMMON.event_id,
    event_type: { type: 'string' },
    version: COMMON.version,
  },
};

/** The `data` of each type as subscribers see it: what may have been erased may be absent. */
export function dataSchemas(): Record<string, JsonSchema> {
  return Object.fromEntries(eventTypes.map((type) => [type, dataSchema(type)]));
}

/** A message for each type. */
export function messages(carrier: Carrier): Record<string, object> {
  return Object.fromEntries(
    eventTypes.map((type) => [
      type,
      {
        name: type,
        title: type,
        summary: eventSchemas[type].description,
        contentType: 'application/json',
        ...(carrier !== 'stream' && { headers: { $ref: `#/components/schemas/${carrier}_headers` } }),
        payload: payload(type, carrier),
        examples: [example(type, carrier)],
        ...(carrier === 'topic' && { bindings: KEYED_BY_SUBJECT }),
      },
    ]),
  );
}

/** What an administrator has sent to a webhook to try it. It is no event, so it has no place in the chain. */
export function testMessage(): object {
  const id: JsonSchema = { type: 'string', format: 'uuid' };
  const { properties, ...rest } = fieldsOf('webhook');
  return {
    name: TEST_EVENT_TYPE,
    title: TEST_EVENT_TYPE,
    summary: 'No event, but a request to try the webhook with (`POST /v1/webhooks/{webhook_id}/test`).',
    contentType: 'application/json',
    headers: { $ref: '#/components/schemas/webhook_headers' },
    payload: {
      ...rest,
      properties: {
        ...(properties as Record<string, JsonSchema>),
        event_type: { type: 'string', const: TEST_EVENT_TYPE },
        data: { type: 'object', required: ['webhook_id'], properties: { webhook_id: id } },
        chain_position: { type: 'null' },
        chain_hash: { type: 'null' },
      },
    },
  };
}

function dataSchema(type: EventType): JsonSchema {
  const { data, personal, description } = eventSchemas[type];
  const { required = [], ...rest } = jsonSchema(data);
  const mayBeGone = new Set<string>(personal);
  return { description, ...rest, required: (required as string[]).filter((name) => !mayBeGone.has(name)) };
}

/** What all messages of a carrier have in common. */
export function fieldsOf(carrier: Carrier): JsonSchema {
  const common: Record<string, JsonSchema> = COMMON;
  const shown = STREAM_FIELDS.filter((field) => common[field] !== undefined);
  return {
    type: 'object',
    required: [...STREAM_FIELDS],
    properties: Object.fromEntries(
      shown.map((field) => [field, carrier === 'stream' ? asText(field, common[field]!) : common[field]!]),
    ),
  };
}

function payload(type: EventType, carrier: Carrier): JsonSchema {
  const data = { $ref: `#/components/schemas/${type}` };
  return {
    allOf: [
      { $ref: `#/components/schemas/${carrier}_fields` },
      {
        type: 'object',
        properties: {
          event_type: { type: 'string', const: type },
          priority: { type: 'string', const: eventPriorities[type] ?? 'normal' },
          data: carrier === 'stream' ? asText('data', data) : data,
        },
      },
    ],
  };
}

/** As Redis has it: it knows texts alone. */
function asText(field: string, schema: JsonSchema): JsonSchema {
  if (field === 'data' || field === 'metadata')
    return { type: 'string', contentMediaType: 'application/json', contentSchema: schema };
  if (field === 'chain_position')
    return { type: 'string', pattern: '^[1-9][0-9]*$', description: schema.description };
  if (field === 'resource')
    return { type: 'string', description: `${String(schema.description)}; else empty` };
  return schema;
}

function example(type: EventType, carrier: Carrier): object {
  const data = exampleOf(dataSchema(type));
  const isStream = carrier === 'stream';
  const payload = {
    event_id: ID,
    event_type: type,
    timestamp: '2026-01-31T09:30:00.000Z',
    source: 'user_service',
    priority: eventPriorities[type] ?? 'normal',
    subject: `user:${ID}`,
    actor: `user:${ID}`,
    resource: isStream ? '' : null,
    data: isStream ? JSON.stringify(data) : data,
    metadata: isStream ? JSON.stringify(METADATA_EXAMPLE) : METADATA_EXAMPLE,
    version: EVENT_VERSION,
    chain_position: isStream ? '4711' : 4711,
    chain_hash: HASH,
  };
  return { name: type, payload };
}
