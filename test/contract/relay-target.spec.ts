import { rmSync } from 'node:fs';
import { Redis } from 'ioredis';
import { loadConfig } from '../../src/config/config';
import { startEmbedded } from '../../src/embedded/embedded';
import { forget } from '../../src/embedded/forget';
import { RelayRedis } from '../../src/infra/events/relay-redis';
import { isFenced } from '../../src/infra/events/targets/kafka-producer';
import { KafkaTopic } from '../../src/infra/events/targets/kafka-topic';
import { RedisStream, STREAM_KEY } from '../../src/infra/events/targets/redis-stream';
import { createTopic, whereKcatIs, KafkaBroker, readTopic, startMockBroker } from '../support/kafka-brokers';
import { dataDirOf, makeTestFolder } from '../support/test-folder';
import { ReadEvent, relayTargetContract, TargetWorld } from './relay-target.contract';

const DEADLINES = { REDIS_COMMAND_TIMEOUT_MS: '1000', KAFKA_TIMEOUT_MS: '1000' };

async function redisWorld(): Promise<TargetWorld> {
  const folder = makeTestFolder();
  const embedded = await startEmbedded({ dataDir: dataDirOf(folder), postgres: false });
  const config = loadConfig({ ...DEADLINES, REDIS_URL: embedded.redisUrl });
  const reader = new Redis(embedded.redisUrl);
  const connections: RelayRedis[] = [];
  const signal = (name: NodeJS.Signals): void => void process.kill(embedded.redis!.pid, name);
  return {
    open: async (term) => {
      const redis = new RelayRedis(config);
      connections.push(redis);
      await redis.open();
      return new RedisStream(config, redis, term);
    },
    read: async () =>
      (await reader.xrange(STREAM_KEY, '-', '+')).map(
        ([, fields]) =>
          Object.fromEntries(
            fields.flatMap((name, i) => (i % 2 ? [] : [[name, fields[i + 1]!]])),
          ) as unknown as ReadEvent,
      ),
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    refusesSuperseded: true,
    stop: async () => {
      for (const redis of connections) redis.close();
      reader.disconnect();
      await embedded.stop();
      await forget(dataDirOf(folder));
      rmSync(folder, { recursive: true });
    },
  };
}

let topics = 0;

async function kafkaWorld(brokers: string, broker?: KafkaBroker): Promise<TargetWorld> {
  const topic = `user_service.events.${process.pid}-${Date.now()}-${++topics}`;
  const config = loadConfig({
    ...DEADLINES,
    EVENT_RELAY: 'kafka',
    KAFKA_BROKERS: brokers,
    KAFKA_TOPIC: topic,
  });
  await createTopic(brokers, topic);
  return {
    open: (term) => Promise.resolve(new KafkaTopic(config, term)),
    read: async () =>
      (await readTopic(brokers, topic)).map(({ key, payload, headers }) => {
        const content = JSON.parse(payload) as Record<string, unknown>;
        expect(headers).toEqual({
          event_id: content.event_id,
          event_type: content.event_type,
          version: content.version,
        });
        expect(key).toBe(content.subject);
        return { ...content, data: JSON.stringify(content.data) } as unknown as ReadEvent;
      }),
    freeze: () => broker?.freeze(),
    thaw: () => broker?.thaw(),
    refusesSuperseded: broker === undefined,
    stop: async () => broker?.stop(),
  };
}

relayTargetContract('RedisStream', redisWorld);

whereKcatIs(`librdkafka's mock broker`, () => {
  relayTargetContract('KafkaTopic', async () => {
    const broker = await startMockBroker('unused');
    return kafkaWorld(broker.address, broker);
  });
});

describe('What Kafka says to a publisher that was superseded', () => {
  it.each([
    ['is known, wrapped as it comes', { cause: Object.assign(new Error('epoch'), { code: 47 }) }, true],
    ['is not taken for that of a broker that is away', { cause: new Error('ECONNREFUSED') }, false],
  ])('%s', (_title, options, fenced) => {
    expect(isFenced(new Error('KafkaJSNonRetriableError', options))).toBe(fenced);
  });
});
