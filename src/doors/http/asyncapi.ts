import type { FastifyInstance } from 'fastify';
import { Config } from '../../config/config';
import { eventTypes } from '../../infra/events/event-types';
import { TEST_EVENT_TYPE } from '../../webhooks/sending/webhook-sender.service';
import { eventLog } from './asyncapi-log';
import { Carrier, dataSchemas, fieldsOf, messages, testMessage, topicHeaders } from './asyncapi-messages';
import { JsonSchema } from './asyncapi-schemas';

const description = (
  log: 'stream' | 'topic',
): string => `What happens in the User Service, for whoever wants to know: on a ${log === 'stream' ? 'Redis Stream' : 'Kafka topic'}, and as signed HTTP
requests (webhooks). Every event commits with the change it tells of, or not at all.

**Delivery** is at least once: what was not acknowledged comes again, with the same \`event_id\`. Let each \`event_id\` have
its effect once. On the ${log} the events of one \`subject\` keep the order in which they were committed; a repetition may
bring older ones again after newer ones. Webhooks promise no order: where it matters, compare \`chain_position\`.

**Versions.** \`version\` grows only where a field changes its meaning or goes. Without it new types of events, new fields,
new members of \`data\` and \`metadata\`, and new values of what is listed may come at any time: ignore what you don't know.

**Personal data** (addresses, programs, reasons, names) is erased some time after its person has left, also from events:
members that may be absent are not required here. After \`user.purged\` erase what you kept of that person.

**Proof.** Every event has a place in a hash chain. Keep \`chain_position\` and \`chain_hash\`: nobody can change what came
before without breaking what you have.`;

const WEBHOOK = `A POST to the URL that an administrator named (\`POST /v1/webhooks\`), signed as Standard Webhooks say: \`webhook-signature\`
is \`v1,\` and the base64 of HMAC-SHA256 over \`<webhook-id>.<webhook-timestamp>.<body>\`, under the bytes that the secret's text
after \`whsec_\` stands for in base64; two of them, separated by a space, while a secret is being replaced. Check it over the
body as it came, and that the timestamp is no older than five minutes. Any answer of 2xx means that you have it; anything
else, or none in time, is tried again with growing pauses, for a day. Redirects are not followed.`;

const WEBHOOK_HEADERS: JsonSchema = {
  type: 'object',
  required: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
  properties: {
    'webhook-id': {
      type: 'string',
      format: 'uuid',
      description: 'The `event_id`: the same with each attempt',
    },
    'webhook-timestamp': {
      type: 'string',
      pattern: '^[0-9]+$',
      description: 'Of this attempt, in seconds since 1970',
    },
    'webhook-signature': { type: 'string', examples: ['v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4='] },
  },
};

const HTTP_POST = { http: { method: 'POST', bindingVersion: '0.3.0' } };

/** The AsyncAPI 3 document of all events, made of their schemas. */
export function asyncApiDocument(config: Config): object {
  const { carrier, server, channel, bindings, securitySchemes } = eventLog(config);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'User Service events',
      version: config.VERSION,
      description: description(carrier),
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    defaultContentType: 'application/json',
    servers: {
      ...server,
      receiver: {
        host: '{receiver}',
        protocol: 'https',
        description: 'Yours: the service sends to it.',
        variables: {
          receiver: { default: 'receiver.example', description: 'The host of the URL of the webhook' },
        },
        security: [{ $ref: '#/components/securitySchemes/webhook' }],
      },
    },
    channels: {
      [carrier]: channel,
      webhook: {
        address: null,
        title: 'Webhooks',
        description: WEBHOOK,
        servers: [{ $ref: '#/servers/receiver' }],
        messages: { ...messages('webhook'), [TEST_EVENT_TYPE]: testMessage() },
      },
    },
    operations: {
      publish: operation(carrier, 'Each event, once its transaction has committed', bindings),
      deliver: operation('webhook', 'Each event of the types that the webhook asked for', HTTP_POST),
      try: operation('webhook', 'Once, when an administrator asks for it', HTTP_POST, [TEST_EVENT_TYPE]),
    },
    components: {
      schemas: {
        ...dataSchemas(),
        [`${carrier}_fields`]: fieldsOf(carrier),
        webhook_fields: fieldsOf('webhook'),
        webhook_headers: WEBHOOK_HEADERS,
        ...(carrier === 'topic' && { topic_headers: topicHeaders }),
      },
      securitySchemes: {
        ...securitySchemes,
        webhook: {
          type: 'httpApiKey',
          in: 'header',
          name: 'webhook-signature',
          description:
            'HMAC-SHA256 under the secret of the webhook: proves who sent it, and that nothing was changed.',
        },
      },
    },
  };
}

/** `/asyncapi.json`, wherever `/openapi.json` is: always. The document is made when first asked for. */
export function serveAsyncApi(fastify: FastifyInstance, config: Config): void {
  let document: string | undefined;
  fastify.get('/asyncapi.json', (_request, reply) => {
    document ??= JSON.stringify(asyncApiDocument(config));
    return reply.type('application/json; charset=utf-8').send(document);
  });
}

function operation(
  channel: Carrier,
  summary: string,
  bindings: object,
  names: readonly string[] = eventTypes,
): object {
  return {
    action: 'send',
    channel: { $ref: `#/channels/${channel}` },
    summary,
    messages: names.map((name) => ({ $ref: `#/channels/${channel}/messages/${name}` })),
    bindings,
  };
}
