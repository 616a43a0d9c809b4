import { Logger } from '@nestjs/common';
import { Config, loadConfig } from '../src/config/config';
import { Relay } from '../src/infra/events/relay';
import { startService } from './support/app';
import { createTestDatabase, TestDatabase } from './support/database';
import { EventWorld, eventually } from './support/event-world';
import { whereKcatIs, KafkaBroker, KafkaRecord, readTopic, startMockBroker } from './support/kafka-brokers';
import { newPerson } from './support/people';

const TOPIC = 'user_service.events';

whereKcatIs('the relay to Kafka', () => {
  let broker: KafkaBroker;
  let stores: TestDatabase;
  let settings: Record<string, string>;

  beforeEach(async () => {
    [broker, stores] = await Promise.all([startMockBroker(TOPIC), createTestDatabase()]);
    settings = { EVENT_RELAY: 'kafka', KAFKA_BROKERS: broker.address, KAFKA_TIMEOUT_MS: '1000' };
  });
  afterEach(async () => {
    await stores.drop();
    await broker.stop();
  });

  it('tells of a sign-up of the whole service, and writes no stream', async () => {
    const service = await startService(settings, stores);
    try {
      const person = newPerson();
      await service.client().post('/v1/auth/register', person).expect(201);
      const registered = async (): Promise<KafkaRecord | undefined> =>
        (await readTopic(broker.address, TOPIC)).find(
          ({ headers }) => headers.event_type === 'user.registered',
        );
      await eventually(async () => (await registered()) !== undefined);
      const record = await registered();
      const [event] = await service.db.query(`SELECT * FROM events WHERE event_type = 'user.registered'`);
      expect(record).toMatchObject({
        key: event.subject,
        headers: { event_id: event.event_id, event_type: 'user.registered', version: '1' },
      });
      expect(JSON.parse(record!.payload)).toMatchObject({
        event_id: event.event_id,
        subject: event.subject,
        data: event.data,
        chain_position: expect.any(Number),
        chain_hash: expect.stringMatching(/^[\da-f]{64}$/),
      });
      expect(await service.redis.keys('*user_service:events*')).toEqual([]);
    } finally {
      await service.stop();
    }
  });

  describe('beside a Redis', () => {
    let world: EventWorld;
    let relay: Relay;
    let applied: string[];
    const states: string[] = [];

    beforeEach(async () => {
      const note = (message: string): void => void states.push(message);
      states.length = 0;
      Logger.overrideLogger({ log: note, warn: note, error: note });
      world = await EventWorld.create(stores.databaseUrl, stores.redisUrl);
      const config: Config = loadConfig({
        ...settings,
        DATABASE_URL: stores.databaseUrl,
        REDIS_URL: stores.redisUrl,
      });
      relay = new Relay(config, true);
      applied = [];
      relay.onEvent('user.updated', ({ eventId }) => {
        applied.push(eventId);
        return Promise.resolve();
      });
      relay.onApplicationBootstrap();
    });
    afterEach(async () => {
      await relay.onApplicationShutdown();
      await world.close();
      Logger.overrideLogger(false);
    });

    it('repeats recent effects when Redis has a new connection, and publishes nothing again', async () => {
      await world.record(world.numbered('user:1', 1));
      await world.published();
      const before = applied.length;
      await world.cutRelayOff();
      await eventually(() => applied.length > before);
      await world.record(world.numbered('user:1', 2));
      await world.published();
      const records = await readTopic(broker.address, TOPIC);
      expect(records.map(({ payload }) => JSON.parse(payload).chain_position)).toEqual([1, 2]);
    });

    it('goes on with the links while no broker answers, and publishes everything, in order, afterwards', async () => {
      await world.record(world.numbered('user:1', 0));
      await world.published();
      broker.freeze();
      for (let i = 1; i <= 50; i++) await world.record(world.numbered('user:1', i));
      await world.linked(1_500);
      await eventually(() => states.some((state) => state.startsWith('events wait: Kafka')));
      broker.thaw();
      await world.published();
      const numbers = (await readTopic(broker.address, TOPIC)).map(({ payload }) =>
        Number(JSON.parse(payload).data.fields[0]),
      );
      expect([...new Set(numbers)]).toEqual(Array.from({ length: 51 }, (_, i) => i));
      expect(states.filter((state) => state.startsWith('events wait'))).toHaveLength(1);
    });
  });
});
