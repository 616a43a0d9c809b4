import type { Config } from './config';

/** As brokers allow names of topics, with room for what the service puts behind it. */
const TOPIC = /^[\w.-]{1,200}$/;
/** kafkajs takes what comes before the first colon for the host: an IPv6 address needs a name. */
const BROKER = /^[\w.-]+:\d{1,5}$/;

/** What is missing or wrong for Kafka, wherever the service runs. Without `EVENT_RELAY=kafka` nothing of it counts. */
export function* invalidKafka(config: Config): Generator<string> {
  if (config.EVENT_RELAY !== 'kafka') return;
  if (config.KAFKA_BROKERS.length === 0) yield 'KAFKA_BROKERS: must be set where EVENT_RELAY is kafka';
  for (const broker of config.KAFKA_BROKERS) {
    if (!BROKER.test(broker)) yield `KAFKA_BROKERS: ${withoutUser(broker)} is not host:port`;
  }
  if (!TOPIC.test(config.KAFKA_TOPIC)) yield 'KAFKA_TOPIC: is not the name of a topic';
  const {
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: user,
    KAFKA_SASL_PASSWORD: password,
  } = config;
  if (mechanism && !user) yield 'KAFKA_SASL_USERNAME: must be set together with KAFKA_SASL_MECHANISM';
  if (mechanism && !password) yield 'KAFKA_SASL_PASSWORD: must be set together with KAFKA_SASL_MECHANISM';
  if (!mechanism && (user || password))
    yield 'KAFKA_SASL_MECHANISM: must be set where there is a user or a password';
}

/** Events name people and their addresses: nobody may listen, and nobody else may write. */
export function* weakKafka(config: Config): Generator<string> {
  if (config.EVENT_RELAY !== 'kafka') return;
  if (!config.KAFKA_SSL) yield 'KAFKA_SSL: must be true';
  if (!config.KAFKA_SASL_MECHANISM) yield 'KAFKA_SASL_MECHANISM: must be set';
}

/** Somebody may have written a URL with a password. */
const withoutUser = (broker: string): string => broker.replace(/^.*@/, '…@');
