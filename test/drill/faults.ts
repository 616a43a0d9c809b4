import { Fault } from './fault';
import { clockAhead, clockBehind } from './faults/clock-off';
import { diskFull } from './faults/disk-full';
import { killedBeforePublishing } from './faults/killed-before-publishing';
import { killedInLink } from './faults/killed-in-link';
import { killedInRefresh } from './faults/killed-in-refresh';
import { killedInRewrap } from './faults/killed-in-rewrap';
import { masterKeyRotated } from './faults/master-key-rotated';
import { postgresExhausted } from './faults/postgres-exhausted';
import { postgresFrozen } from './faults/postgres-frozen';
import { postgresKilled } from './faults/postgres-killed';
import { postgresTerminated } from './faults/postgres-terminated';
import { redisEmptied } from './faults/redis-emptied';
import { redisFailover } from './faults/redis-failover';
import { redisFrozen } from './faults/redis-frozen';
import { redisFull } from './faults/redis-full';
import { redisKilled } from './faults/redis-killed';
import { signingKeyRotated } from './faults/signing-key-rotated';
import { subscriberKilled } from './faults/subscriber-killed';

/** In the order of the table. */
export const faults: readonly Fault[] = [
  redisFrozen,
  redisKilled,
  redisEmptied,
  redisFull,
  redisFailover,
  postgresFrozen,
  postgresKilled,
  postgresExhausted,
  postgresTerminated,
  subscriberKilled,
  killedInRefresh,
  killedInLink,
  killedInRewrap,
  killedBeforePublishing,
  clockAhead,
  clockBehind,
  signingKeyRotated,
  masterKeyRotated,
  diskFull,
];
