import type { Producer, SASLOptions } from 'kafkajs';
import { Config } from '../../../config/config';

/**
 * A producer that does nothing by itself a second time: the relay tries again, with a new one. kafkajs is loaded with the
 * first, for most services have none.
 */
export async function newProducer(config: Config): Promise<Producer> {
  const { Kafka, logLevel } = await import('kafkajs');
  const kafka = new Kafka({
    clientId: config.KAFKA_CLIENT_ID,
    brokers: config.KAFKA_BROKERS,
    ssl: config.KAFKA_SSL,
    sasl: saslOf(config),
    connectionTimeout: config.KAFKA_TIMEOUT_MS,
    authenticationTimeout: config.KAFKA_TIMEOUT_MS,
    requestTimeout: config.KAFKA_TIMEOUT_MS,
    retry: { retries: 0 },
    // The relay tells what failed, once.
    logLevel: logLevel.NOTHING,
  });
  return kafka.producer({
    // What makes one producer shut out another is that both have this id.
    transactionalId: `${config.KAFKA_TOPIC}.relay`,
    transactionTimeout: 10_000,
    maxInFlightRequests: 1,
    // A topic made in passing would have as many partitions as the broker likes.
    allowAutoTopicCreation: false,
  });
}

/** INVALID_PRODUCER_EPOCH, PRODUCER_FENCED: another producer has claimed the transactional id. */
const FENCED = new Set([47, 90]);

/** Whether brokers refuse a producer for good, because a later one has its id. kafkajs wraps their answers. */
export function isFenced(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('code' in error && FENCED.has(error.code as number)) || isFenced(error.cause);
}

function saslOf(config: Config): SASLOptions | undefined {
  const { KAFKA_SASL_MECHANISM: mechanism } = config;
  if (mechanism === '') return undefined;
  return { mechanism, username: config.KAFKA_SASL_USERNAME, password: config.KAFKA_SASL_PASSWORD };
}
