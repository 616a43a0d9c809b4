import type { Redis } from 'ioredis';
import { RedisCluster } from '../../src/infra/redis/redis-cluster';

type Command = (...args: unknown[]) => Promise<unknown>;

const onEach = (cluster: RedisCluster, name: string, args: unknown[]): Promise<unknown[]> =>
  Promise.all(
    cluster
      .nodes('master')
      .map((node: Redis) => (node as unknown as Record<string, Command>)[name]!(...args)),
  );

/** Commands about all keys, which a node answers for its own: specs mean all that there are. */
const whole: Record<string, (this: RedisCluster, ...args: unknown[]) => Promise<unknown>> = {
  async keys(...args) {
    return (await onEach(this, 'keys', args)).flat();
  },
  async flushdb(...args) {
    return (await onEach(this, 'flushdb', args))[0];
  },
  async config(...args) {
    return (await onEach(this, 'config', args))[0];
  },
  async script(...args) {
    return (await onEach(this, 'script', args))[0];
  },
};
Object.assign(RedisCluster.prototype, whole);
