import { Config } from '../../../config/config';
import { RelayRedis } from '../relay-redis';
import { KafkaTopic } from './kafka-topic';
import { RedisStream } from './redis-stream';
import { RelayTarget } from './relay-target';

/** The target that EVENT_RELAY names, for the publisher of one term. */
export function newTarget(config: Config, redis: RelayRedis, term: number): RelayTarget {
  return config.EVENT_RELAY === 'kafka' ? new KafkaTopic(config, term) : new RedisStream(config, redis, term);
}
