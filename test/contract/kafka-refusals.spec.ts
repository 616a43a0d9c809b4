import { once } from 'node:events';
import { AddressInfo, createServer, Socket } from 'node:net';
import { loadConfig } from '../../src/config/config';
import { LinkedEvent } from '../../src/infra/events/recorded-event';
import { Superseded } from '../../src/infra/events/superseded';
import { KafkaTopic } from '../../src/infra/events/targets/kafka-topic';
import { eventually } from '../support/event-world';
import { whereKcatIs, KafkaBroker, readTopic, startMockBroker } from '../support/kafka-brokers';
import { ADD_PARTITIONS, INIT_PRODUCER_ID, KafkaProxy, startKafkaProxy } from '../support/kafka-proxy';

const TOPIC = 'user_service.events';
const INVALID_PRODUCER_EPOCH = 47;
const CONCURRENT_TRANSACTIONS = 51;

let last = 0;
const events = (count: number): LinkedEvent[] =>
  Array.from({ length: count }, () => ({
    eventId: `event-${++last}`,
    type: 'user.updated',
    timestamp: new Date(),
    source: 'user_service',
    priority: 'normal',
    subject: `user:${last % 7}`,
    actor: 'system',
    resource: null,
    data: { fields: [] },
    metadata: {},
    position: last,
    day: '2026-01-02',
    hash: Buffer.alloc(32),
  }));

/** What brokers say in production, and the one for tests never does. */
whereKcatIs('a Kafka broker that', () => {
  let broker: KafkaBroker;
  let proxy: KafkaProxy;
  let target: KafkaTopic;

  beforeEach(async () => {
    broker = await startMockBroker(TOPIC);
    proxy = await startKafkaProxy(broker.address);
    const config = loadConfig({
      EVENT_RELAY: 'kafka',
      KAFKA_BROKERS: proxy.address,
      KAFKA_TOPIC: TOPIC,
      KAFKA_TIMEOUT_MS: '500',
    });
    target = new KafkaTopic(config, 1);
  });
  afterEach(async () => {
    target.close();
    proxy.stop();
    await broker.stop();
  });

  it('is still ending the transaction before is asked again, and given every event once', async () => {
    proxy.refuse(INIT_PRODUCER_ID, CONCURRENT_TRANSACTIONS, 2);
    await target.claim();
    expect(proxy.refused()).toBe(2);
    const [first, second] = [events(1), events(50)];
    await target.append(first);
    proxy.refuse(ADD_PARTITIONS, CONCURRENT_TRANSACTIONS, 3);
    await target.append(second);
    expect(proxy.refused()).toBe(3);
    expect(target.connections).toBe(1);
    const read = (await readTopic(broker.address, TOPIC)).map(({ headers }) => headers.event_id!);
    expect(read.sort()).toEqual([...first, ...second].map(({ eventId }) => eventId).sort());
  });

  it('does not come to an end with it is asked no longer than a batch may take', async () => {
    await target.claim();
    proxy.refuse(ADD_PARTITIONS, CONCURRENT_TRANSACTIONS, Infinity);
    const began = performance.now();
    await expect(target.append(events(1))).rejects.toThrow('Kafka: ');
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(target.connections).toBe(2);
    // One may be on its way.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const asked = proxy.refused();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(proxy.refused()).toBe(asked);
  });

  it.each([
    ['claims', INIT_PRODUCER_ID, () => target.claim()],
    ['appends', ADD_PARTITIONS, () => target.append(events(1))],
  ])('knows a later publisher ends the term of one that %s', async (does, apiKey, act) => {
    if (does === 'appends') await target.claim();
    proxy.refuse(apiKey, INVALID_PRODUCER_EPOCH, 1);
    await expect(act()).rejects.toThrow(Superseded);
  });
});

describe('A Kafka broker that takes connections, and never says a word,', () => {
  it('has none left when the relay has given up', async () => {
    const taken: Socket[] = [];
    const broker = createServer({ allowHalfOpen: true }, (socket) => {
      taken.push(socket.on('data', () => undefined).on('error', () => undefined));
    });
    await once(broker.listen(0, '127.0.0.1'), 'listening');
    const { port } = broker.address() as AddressInfo;
    const target = new KafkaTopic(
      loadConfig({ EVENT_RELAY: 'kafka', KAFKA_BROKERS: `127.0.0.1:${port}`, KAFKA_TIMEOUT_MS: '100' }),
      1,
    );
    try {
      for (let i = 0; i < 3; i++) await expect(target.claim()).rejects.toThrow('Kafka: ');
      expect(taken).toHaveLength(3);
      await eventually(() => {
        for (const socket of taken) socket.write('?');
        return taken.every(({ closed }) => closed);
      }, 2_000);
    } finally {
      for (const socket of taken) socket.destroy();
      broker.close();
    }
  });
});
