/** The least that a guarded GET could be: Fastify, one Redis GET, a small JSON reply; in as many processes as the service. */
import Fastify from 'fastify';
import { Redis } from 'ioredis';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { answerJobs } from './child';

export interface BareJob {
  redisUrl: string;
  processes: number;
}

async function serve(redisUrl: string): Promise<string> {
  const redis = new Redis(redisUrl, { enableAutoPipelining: true });
  await redis.set('bench', 'a'.repeat(60));
  const fastify = Fastify();
  fastify.get('/', async () => ({ value: await redis.get('bench') }));
  return fastify.listen({ host: '127.0.0.1', port: 0 });
}

/** Workers that ask for any port get the same one. */
async function serveWithWorkers(redisUrl: string, processes: number): Promise<string> {
  const workers = Array.from({ length: processes }, () => cluster.fork({ BARE_REDIS_URL: redisUrl }));
  const urls = await Promise.all(workers.map((worker) => once(worker, 'message') as Promise<[string]>));
  return urls[0]![0];
}

if (cluster.isWorker) void serve(process.env.BARE_REDIS_URL!).then((url) => process.send?.(url));
else
  answerJobs<BareJob, string>(({ redisUrl, processes }) =>
    processes > 1 ? serveWithWorkers(redisUrl, processes) : serve(redisUrl),
  );
