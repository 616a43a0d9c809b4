import type { ISocketFactoryArgs, Producer, SASLOptions } from 'kafkajs';
import { connect, isIP, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Config } from '../../../config/config';

/** A producer, and the way to be rid of it. */
export interface KafkaProducer extends Pick<Producer, 'connect' | 'transaction'> {
  /** Ends its connections, and makes none any more; kafkajs alone would leave each open until the broker ends it too. */
  drop(): void;
}

/**
 * A producer that does nothing by itself a second time: the relay tries again, with a new one. kafkajs is loaded with the
 * first, for most services have none.
 */
export async function newProducer(config: Config): Promise<KafkaProducer> {
  const { Kafka, logLevel } = await import('kafkajs');
  const sockets = new Set<Socket>();
  let isDropped = false;
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
    socketFactory: (args) => {
      if (isDropped) throw new Error('given up');
      const socket = newSocket(args);
      sockets.add(socket);
      return socket.once('close', () => sockets.delete(socket));
    },
  });
  const producer = kafka.producer({
    // What makes one producer shut out another is that both have this id.
    transactionalId: `${config.KAFKA_TOPIC}.relay`,
    // No shorter than a batch may take: a broker that ends a transaction by itself shuts out its producer too.
    transactionTimeout: Math.max(10_000, 3 * config.KAFKA_TIMEOUT_MS),
    maxInFlightRequests: 1,
    // A topic made in passing would have as many partitions as the broker likes.
    allowAutoTopicCreation: false,
  });
  return {
    connect: () => producer.connect(),
    transaction: () => producer.transaction(),
    drop: () => {
      isDropped = true;
      void producer.disconnect().catch(() => undefined);
      for (const socket of sockets) socket.destroy(new Error('given up'));
    },
  };
}

/** As kafkajs makes them. */
function newSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }) }, onConnect)
    : connect({ host, port }, onConnect);
  return socket.setKeepAlive(true, 60_000);
}

/** As brokers call it in the versions of their requests that kafkajs speaks; PRODUCER_FENCED came later. */
const INVALID_PRODUCER_EPOCH = 47;
const CONCURRENT_TRANSACTIONS = 51;

/** Whether brokers refuse a producer for good, because a later one has claimed its transactional id. */
export const isFenced = (error: unknown): boolean => says(error, INVALID_PRODUCER_EPOCH);

/** Whether the transaction before, of this producer or of one that it shuts out, is still being ended. */
export const isBusy = (error: unknown): boolean => says(error, CONCURRENT_TRANSACTIONS);

/** kafkajs wraps what brokers answer. */
function says(error: unknown, code: number): boolean {
  return error instanceof Error && (('code' in error && error.code === code) || says(error.cause, code));
}

function saslOf(config: Config): SASLOptions | undefined {
  const { KAFKA_SASL_MECHANISM: mechanism } = config;
  if (mechanism === '') return undefined;
  return { mechanism, username: config.KAFKA_SASL_USERNAME, password: config.KAFKA_SASL_PASSWORD };
}
