/** The least that a guarded GET could be: Fastify, one Redis GET, a small JSON reply. */
import Fastify from 'fastify';
import { Redis } from 'ioredis';
import { answerJobs } from './child';

export interface BareJob {
  redisUrl: string;
}

answerJobs<BareJob, string>(async ({ redisUrl }) => {
  const redis = new Redis(redisUrl, { enableAutoPipelining: true });
  await redis.set('bench', 'a'.repeat(60));
  const fastify = Fastify();
  fastify.get('/', async () => ({ value: await redis.get('bench') }));
  return fastify.listen({ host: '127.0.0.1', port: 0 });
});
