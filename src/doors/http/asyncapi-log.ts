import { Config } from '../../config/config';
import { STREAM_KEY } from '../../infra/events/targets/redis-stream';
import { KAFKA_BINDING, messages } from './asyncapi-messages';

/** Where every event goes, as AsyncAPI says it: one server, one channel on it. */
interface EventLog {
  carrier: 'stream' | 'topic';
  /** By its name. */
  server: Record<string, object>;
  channel: object;
  /** Of the operation. */
  bindings: object;
  securitySchemes: Record<string, object>;
}

const STREAM = `Read it with a consumer group (\`XREADGROUP\`, \`XAUTOCLAIM\`, \`XACK\`). All fields are texts; \`data\` and \`metadata\`
are JSON. The oldest entries are trimmed. Whoever falls behind that far finds a gap in \`chain_position\`: \`cli audit export\`
of the operator has all of the log, and \`GET /v1/audit/events\` that of one account.`;

const TOPIC = `Read it with a consumer group and \`isolation.level=read_committed\`: each batch is a transaction. The key of a record is
the \`subject\`, whose events are therefore in one partition, in their order; the time of a record is that of its event. How
long records are kept is the topic's own setting. A gap in \`chain_position\` tells nothing here: neighbours lie in other
partitions. What was missed is in \`cli audit export\` of the operator, and of one account in \`GET /v1/audit/events\`.`;

const SASL = { plain: 'plain', 'scram-sha-256': 'scramSha256', 'scram-sha-512': 'scramSha512' } as const;

/** Of the target that `EVENT_RELAY` names. */
export function eventLog(config: Config): EventLog {
  return config.EVENT_RELAY === 'kafka' ? kafkaTopic(config) : redisStream();
}

function redisStream(): EventLog {
  return {
    carrier: 'stream',
    server: {
      redis: {
        host: '{redis}',
        protocol: 'redis',
        description: 'The Redis of the service, version 6.2 or later; `rediss` where it is reached over TLS.',
        variables: {
          redis: { default: 'redis:6379', description: 'Host and port, as your operator tells them' },
        },
        security: [{ $ref: '#/components/securitySchemes/redis' }],
      },
    },
    channel: {
      address: STREAM_KEY,
      title: 'The Redis Stream',
      description: STREAM,
      servers: [{ $ref: '#/servers/redis' }],
      messages: messages('stream'),
      bindings: { redis: {} },
      'x-redis': { type: 'stream', key: STREAM_KEY, trimmed: 'about EVENT_STREAM_MAXLEN entries are kept' },
    },
    bindings: { redis: {} },
    securitySchemes: {
      redis: { type: 'userPassword', description: 'An ACL user that may read the stream, and no more.' },
    },
  };
}

function kafkaTopic({ KAFKA_TOPIC, KAFKA_SSL, KAFKA_SASL_MECHANISM }: Config): EventLog {
  const description = 'A user that may read the topic, and no more.';
  return {
    carrier: 'topic',
    server: {
      kafka: {
        host: '{broker}',
        protocol: KAFKA_SSL ? 'kafka-secure' : 'kafka',
        description: 'One of the brokers.',
        variables: {
          broker: { default: 'kafka:9092', description: 'Host and port, as your operator tells them' },
        },
        ...(KAFKA_SASL_MECHANISM && { security: [{ $ref: '#/components/securitySchemes/kafka' }] }),
      },
    },
    channel: {
      address: KAFKA_TOPIC,
      title: 'The Kafka topic',
      description: TOPIC,
      servers: [{ $ref: '#/servers/kafka' }],
      messages: messages('topic'),
      bindings: { kafka: { topic: KAFKA_TOPIC, bindingVersion: KAFKA_BINDING } },
    },
    bindings: { kafka: { bindingVersion: KAFKA_BINDING } },
    securitySchemes: KAFKA_SASL_MECHANISM ? { kafka: { type: SASL[KAFKA_SASL_MECHANISM], description } } : {},
  };
}
