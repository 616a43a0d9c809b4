import { ConfigError, loadConfig } from '../src/config/config';

const GOOD = { EVENT_RELAY: 'kafka', KAFKA_BROKERS: 'kafka-1:9092, kafka-2:9092' };

describe('The configuration of Kafka', () => {
  it('is complete with brokers alone, and counts for nothing where events go to Redis', () => {
    expect(loadConfig(GOOD)).toMatchObject({
      KAFKA_BROKERS: ['kafka-1:9092', 'kafka-2:9092'],
      KAFKA_SSL: false,
    });
    expect(problemsOf({ KAFKA_BROKERS: 'nonsense', KAFKA_SASL_USERNAME: 'x' })).toEqual([]);
  });

  it.each([
    ['KAFKA_BROKERS', { KAFKA_BROKERS: '' }],
    ['KAFKA_BROKERS', { KAFKA_BROKERS: 'kafka-1' }],
    ['KAFKA_BROKERS', { KAFKA_BROKERS: '[2001:db8::7]:9092' }],
    ['KAFKA_BROKERS', { KAFKA_BROKERS: 'kafka://me:secret-word@kafka-1:9092' }],
    ['KAFKA_TOPIC', { KAFKA_TOPIC: 'user service' }],
    ['KAFKA_SASL_USERNAME', { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_PASSWORD: 'secret-word' }],
    ['KAFKA_SASL_PASSWORD', { KAFKA_SASL_MECHANISM: 'scram-sha-512', KAFKA_SASL_USERNAME: 'me' }],
    ['KAFKA_SASL_MECHANISM', { KAFKA_SASL_PASSWORD: 'secret-word' }],
    ['KAFKA_SASL_MECHANISM', { KAFKA_SASL_MECHANISM: 'secret' }],
  ])('is refused for %s, with %j', (name, bad) => {
    const problems = problemsOf({ ...GOOD, ...bad });
    expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
    expect(problems.join()).not.toContain('secret-word');
  });

  it('asks for TLS and authentication outside development', () => {
    const kafka = problemsOf({ ...GOOD, ENVIRONMENT: 'production' }).filter((one) => one.startsWith('KAFKA'));
    expect(kafka).toEqual(['KAFKA_SSL: must be true', 'KAFKA_SASL_MECHANISM: must be set']);
  });
});

function problemsOf(settings: Record<string, string>): string[] {
  try {
    loadConfig(settings);
    return [];
  } catch (error) {
    return (error as ConfigError).problems;
  }
}
