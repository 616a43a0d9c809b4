/**
 * The least that some of the service's routes could be with its packages: nobody is authorised, nothing is recorded. In as
 * many processes as the service.
 */
import 'reflect-metadata';
import {
  Body,
  CanActivate,
  Controller,
  ExecutionContext,
  HttpCode,
  Module,
  Post,
  Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import { Matches, MaxLength } from 'class-validator';
import Fastify from 'fastify';
import { Redis } from 'ioredis';
import { SignJWT } from 'jose';
import cluster from 'node:cluster';
import { generateKeyPairSync, hash } from 'node:crypto';
import { once } from 'node:events';
import { Pool } from 'pg';
import pino from 'pino';
import { Histogram } from 'prom-client';
import { bearerToken } from '../../src/doors/http/bearer-token';
import { securityHeaders, setSecurityHeaders } from '../../src/doors/http/security-headers';
import { sendTogether } from '../../src/doors/http/send-together';
import { validationPipe } from '../../src/doors/http/validation.pipe';
import { answerJobs } from './child';

/**
 * `fastify`: a body of JSON and a reply. `nest`: the same, as a route of Nest. `validated`: with the service's rules for the
 * body. `door`: and with what each of its replies has, a caller by the hash of a token, security headers, a line in the log
 * and a measurement. `signed`: Fastify, a script in Redis and a signature. `refresh`: and a row of PostgreSQL.
 */
export type FloorKind = 'fastify' | 'nest' | 'validated' | 'door' | 'signed' | 'refresh';

export interface FloorJob {
  kind: FloorKind;
  redisUrl: string;
  databaseUrl: string;
  processes: number;
}

class CheckBody {
  @MaxLength(100)
  @Matches(/^[a-z_]+:[a-z_]+$/)
  permission!: string;
}

const answer = (body: CheckBody): { allowed: boolean } => ({ allowed: body.permission !== '' });

@Controller('v1/authz/check')
class PlainController {
  @Post()
  @HttpCode(200)
  check(@Body() body: object): { allowed: boolean } {
    return answer(body as CheckBody);
  }
}

@Controller('v1/authz/check')
class CheckController {
  @Post()
  @HttpCode(200)
  check(@Body() body: CheckBody): { allowed: boolean } {
    return answer(body);
  }
}

/** Knows each token that it has seen. */
class KnownTokens implements CanActivate {
  private readonly known = new Map<string, boolean>();

  canActivate(context: ExecutionContext): boolean {
    const { raw } = context.switchToHttp().getRequest<{ raw: Parameters<typeof bearerToken>[0] }>();
    const digest = hash('sha256', bearerToken(raw), 'base64');
    if (!this.known.has(digest)) this.known.set(digest, true);
    return true;
  }
}

async function nest(controller: Type, adapt?: (app: NestFastifyApplication) => void): Promise<string> {
  class FloorModule {}
  Module({ controllers: [controller] })(FloorModule);
  const app = await NestFactory.create<NestFastifyApplication>(FloorModule, new FastifyAdapter(), {
    logger: false,
  });
  adapt?.(app);
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}

/** What every reply of the service has, and no decision. */
function door(app: NestFastifyApplication): void {
  const logger = pino(
    { timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: '/dev/null', sync: false, minLength: 4096 }),
  );
  const duration = new Histogram({
    name: 'floor',
    help: 'none',
    labelNames: ['method', 'route', 'status'],
    registers: [],
  });
  const fastify = app.getHttpAdapter().getInstance();
  setSecurityHeaders(fastify, securityHeaders(false));
  fastify.addHook('onResponse', ({ id, method, ip, routeOptions: { url } }, reply, done) => {
    const { statusCode: status, elapsedTime } = reply;
    duration.labels(method, url ?? 'none', String(status)).observe(elapsedTime / 1000);
    logger.info({ request_id: id, method, route: url, status, ms: Math.round(elapsedTime), ip }, 'request');
    done();
  });
  sendTogether(fastify);
  app.useGlobalGuards(new KnownTokens());
  app.useGlobalPipes(validationPipe());
}

async function fastify(): Promise<string> {
  const server = Fastify();
  server.post<{ Body: CheckBody }>('/v1/authz/check', ({ body }) => answer(body));
  return server.listen({ host: '127.0.0.1', port: 0 });
}

async function signing({ redisUrl, databaseUrl, kind }: FloorJob): Promise<string> {
  const redis = new Redis(redisUrl, { enableAutoPipelining: true });
  const pool = new Pool({ connectionString: databaseUrl, max: 5 });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const emailOf = async (id: string): Promise<string | undefined> => {
    const text = 'SELECT email, status FROM users WHERE id = $1';
    const { rows } = await pool.query<{ email: string }>({ name: 'user', text, values: [id] });
    return rows[0]?.email;
  };
  const server = Fastify();
  server.post<{ Body: { user_id: string } }>('/refresh', async ({ body: { user_id: id } }) => {
    await redis.eval(`return redis.call('HINCRBY', KEYS[1], 'counter', 1)`, 1, `floor:{${id}}`);
    const email = kind === 'refresh' ? await emailOf(id) : 'member@example.org';
    const token = await new SignJWT({ sub: `user:${id}`, email, scope: 'a'.repeat(300) })
      .setProtectedHeader({ alg: 'RS256' })
      .setExpirationTime('15m')
      .sign(privateKey);
    return { access_token: token };
  });
  return server.listen({ host: '127.0.0.1', port: 0 });
}

const SERVERS: Record<FloorKind, (job: FloorJob) => Promise<string>> = {
  fastify,
  nest: () => nest(PlainController),
  validated: () => nest(CheckController, (app) => app.useGlobalPipes(validationPipe())),
  door: () => nest(CheckController, door),
  signed: signing,
  refresh: signing,
};

/** Workers that ask for any port get the same one. */
async function serveWithWorkers(job: FloorJob): Promise<string> {
  const workers = Array.from({ length: job.processes }, () =>
    cluster.fork({ FLOOR_JOB: JSON.stringify(job) }),
  );
  const urls = await Promise.all(workers.map((worker) => once(worker, 'message') as Promise<[string]>));
  return urls[0]![0];
}

if (cluster.isWorker) {
  const job = JSON.parse(process.env.FLOOR_JOB!) as FloorJob;
  void SERVERS[job.kind](job).then((url) => process.send?.(url));
} else answerJobs<FloorJob, string>(serveWithWorkers);
