import type { Message } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Config } from '../../../config/config';
import { withDeadline } from '../../deadline';
import { EVENT_VERSION, eventMessage } from '../event-message';
import { LinkedEvent } from '../recorded-event';
import { Superseded } from '../superseded';
import { isBusy, isFenced, KafkaProducer, newProducer } from './kafka-producer';
import { Held, RelayTarget } from './relay-target';

/** A broker takes a request of up to 1 MiB (`message.max.bytes`), unless it was told otherwise. */
const REQUEST_BYTES = 512 * 1024;
const BUSY_MS = 10;

/**
 * A Kafka topic, as the publisher of one term writes it: each batch one transaction, acknowledged by all replicas in sync,
 * keyed by subject, so that the events of a subject stay in order in their partition. The transactional id is the same in
 * all processes: whoever claims it last is the only one whose transactions the brokers take.
 */
export class KafkaTopic implements RelayTarget {
  /** Grows with every producer that was given up: what became of its transaction nobody knows. */
  connections = 1;
  private producer?: KafkaProducer;
  private isClosed = false;

  constructor(
    private readonly config: Config,
    private readonly term: number,
  ) {}

  /** All that it has acknowledged: Kafka tells before it loses something, and the cursor is in PostgreSQL. */
  held(): Promise<Held> {
    return Promise.resolve({ isEmpty: false, position: null });
  }

  /** A new producer, which aborts what the one before, of whichever process, left open. */
  async claim(): Promise<void> {
    this.forget();
    const producer = await newProducer(this.config);
    if (this.isClosed) throw new Error('Kafka: closed');
    this.producer = producer;
    await this.orGiveUp(async () => {
      await producer.connect();
      // Its id is asked for with the first transaction, and is what shuts out others.
      await (await this.whenFree(producer, () => producer.transaction())).abort();
    });
  }

  async append(events: readonly LinkedEvent[]): Promise<void> {
    const { producer } = this;
    if (!producer) throw new Error('Kafka: the topic is not claimed');
    await this.orGiveUp(async () => {
      const transaction = await producer.transaction();
      const send = (messages: EventMessage[]): Promise<unknown> =>
        transaction.send({
          topic: this.config.KAFKA_TOPIC,
          acks: -1,
          timeout: this.config.KAFKA_TIMEOUT_MS,
          messages,
        });
      const [first, ...others] = events.map(recordOf);
      // Goes to one partition: where it is refused, nothing was sent that would come twice.
      await this.whenFree(producer, () => send([first!]));
      for (const messages of inRequests(others)) await send(messages);
      await transaction.commit();
    });
  }

  /**
   * Brokers acknowledge a commit before they have carried it out, and refuse whatever begins the next transaction until
   * they have: that is asked for again, as long as anybody waits for it.
   */
  private async whenFree<T>(producer: KafkaProducer, ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!isBusy(error) || this.producer !== producer) throw error;
        await sleep(BUSY_MS);
      }
    }
  }

  close(): void {
    this.isClosed = true;
    this.forget();
  }

  private forget(): void {
    this.producer?.drop();
    this.producer = undefined;
  }

  /** A producer that failed once is not asked again: it may have sent what it does not know of. */
  private async orGiveUp(work: () => Promise<void>): Promise<void> {
    try {
      await withDeadline(work(), 2 * this.config.KAFKA_TIMEOUT_MS, 'a batch');
      if (this.isClosed) throw new Error('closed');
    } catch (error) {
      this.connections++;
      this.forget();
      if (isFenced(error)) throw new Superseded(this.term);
      throw new Error(`Kafka: ${(error as Error).message}`, { cause: error });
    }
  }
}

type EventMessage = Message & { value: Buffer };

/** As subscribers get it. */
export function recordOf(event: LinkedEvent): EventMessage {
  return {
    key: event.subject,
    value: eventMessage(event, { position: event.position, hash: event.hash.toString('hex') }),
    timestamp: String(event.timestamp.getTime()),
    headers: { event_id: event.eventId, event_type: event.type, version: EVENT_VERSION },
  };
}

/** In their order; one that is larger than a request may be goes alone. */
function* inRequests(messages: readonly EventMessage[]): Generator<EventMessage[]> {
  let request: EventMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (request.length > 0 && bytes + message.value.length > REQUEST_BYTES) {
      yield request;
      [request, bytes] = [[], 0];
    }
    request.push(message);
    bytes += message.value.length;
  }
  if (request.length > 0) yield request;
}
