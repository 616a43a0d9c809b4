import { Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import { version } from '../package.json';
import { Config, loadConfig } from '../src/config/config';
import { ConfigModule } from '../src/config/config.module';
import { HealthController } from '../src/doors/http/health.controller';
import { MetricsController } from '../src/doors/http/metrics.controller';
import { ProblemFilter } from '../src/doors/http/problem.filter';
import { BackgroundModule } from '../src/infra/background';
import { DatabaseModule } from '../src/infra/database/database.module';
import { EventsModule } from '../src/infra/events/events.module';
import { HealthModule } from '../src/infra/health/health.module';
import { Readiness } from '../src/infra/health/readiness';
import { observeRequest } from '../src/infra/metrics/observe-request';
import { RedisModule } from '../src/infra/redis/redis.module';
import { SessionGate } from '../src/sessions/session-gate';
import { EventWorld, eventually } from './support/event-world';
import { OwnServers, startOwnServers } from './support/servers';

const TOKEN = 'metrics-token-of-24-characters';

@Module({ controllers: [HealthController, MetricsController], providers: [SessionGate] })
class Probes {}

describe('probes', () => {
  let servers: OwnServers;
  let app: NestFastifyApplication;
  let url: string;

  const start = async (more: Partial<Config> = {}): Promise<NestFastifyApplication> => {
    const env = { DATABASE_URL: servers.databaseUrl, REDIS_URL: servers.redisUrl };
    const config = Object.freeze({ ...loadConfig(env), ...more });
    const root = {
      module: class Root {},
      imports: [
        ConfigModule.with(config),
        DatabaseModule.with([]),
        RedisModule,
        BackgroundModule.with(false),
        EventsModule,
        HealthModule,
        Probes,
      ],
    };
    const started = await NestFactory.create<NestFastifyApplication>(root, new FastifyAdapter(), {
      logger: false,
    });
    started.useGlobalFilters(new ProblemFilter(config));
    await started.listen(0, '127.0.0.1');
    return started;
  };

  const get = async (path: string, headers: Record<string, string> = {}, base = url) => {
    const asked = performance.now();
    const reply = await fetch(base + path, { headers, signal: AbortSignal.timeout(5_000) });
    const text = await reply.text();
    const body = reply.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
    return { status: reply.status, body, headers: reply.headers, milliseconds: performance.now() - asked };
  };

  beforeAll(async () => {
    Logger.overrideLogger(false);
    servers = await startOwnServers();
    app = await start();
    url = await app.getUrl();
  }, 60_000);
  afterAll(async () => {
    await app.close();
    await servers.stop();
  });

  it('are green while everything answers, and tell no secret and no address', async () => {
    expect(await get('/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
    const ready = await get('/health/ready');
    expect(ready).toMatchObject({
      status: 200,
      body: { status: 'ok', checks: { postgres: { status: 'ok' }, redis: { status: 'ok' } } },
    });
    expect(ready.headers.get('cache-control')).toBe('no-store');
    expect(ready.headers.has('retry-after')).toBe(false);
    const summary = await get('/health');
    expect(summary.status).toBe(200);
    expect(summary.headers.has('retry-after')).toBe(false);
    expect(summary.body).toEqual({
      status: 'ok',
      name: 'user_service',
      version,
      uptime_seconds: expect.any(Number),
      checks: {
        postgres: { status: 'ok', latency_ms: expect.any(Number) },
        redis: { status: 'ok', latency_ms: expect.any(Number) },
        events: { status: 'ok', pending: 0, lag_seconds: 0 },
      },
    });
  });

  for (const [name, frozen, well] of [
    ['Postgres', 'postgres', 'redis'],
    ['Redis', 'redis', 'postgres'],
  ] as const) {
    it(`turn red within two seconds when ${name} hangs, and green by themselves; liveness stays`, async () => {
      servers[`freeze${name}`]();
      try {
        // More at once than there are connections.
        const replies = await Promise.all(
          Array.from({ length: 100 }, (_, i) => get(i % 2 ? '/health' : '/health/ready')),
        );
        for (const { status, body, headers, milliseconds } of replies) {
          expect(status).toBe(503);
          expect(headers.get('retry-after')).toBe('1');
          expect(body.status).toBe('degraded');
          expect(body.checks[frozen]).toEqual({ status: 'failed', latency_ms: expect.any(Number) });
          expect(body.checks[well].status).toBe('ok');
          expect(milliseconds).toBeLessThan(2_000);
          expect(JSON.stringify(body)).not.toMatch(
            /127\.0\.0\.1|localhost|postgres:\/\/|redis:\/\/|ECONN|timeout/,
          );
        }
        expect(await get('/health/live')).toMatchObject({ status: 200 });
      } finally {
        servers[`thaw${name}`]();
      }
      await eventually(async () => (await get('/health')).status === 200);
    });
  }

  it('turn red within two seconds when Redis is killed, and green when it is back', async () => {
    await servers.killRedis();
    await eventually(async () => (await get('/health/ready')).status === 503, 2_000);
    await servers.restartRedis();
    await eventually(async () => (await get('/health/ready')).status === 200);
  });

  it('want no requests until Redis knows who was signed out', async () => {
    const gate = app.get(SessionGate, { strict: false });
    gate.shut();
    expect(await get('/health/ready')).toMatchObject({ status: 503, body: { status: 'degraded' } });
    expect(await get('/health/live')).toMatchObject({ status: 200 });
    gate.open();
    expect(await get('/health/ready')).toMatchObject({ status: 200 });
  });

  it('show that events wait too long', async () => {
    const world = await EventWorld.create(servers.databaseUrl, servers.redisUrl);
    await world.db.query(
      `INSERT INTO event_outbox (event_id, "timestamp") VALUES (gen_random_uuid(), now() - interval '2 minutes')`,
    );
    const { status, body } = await get('/health');
    expect(status).toBe(503);
    expect(body.checks.events).toMatchObject({ status: 'late', pending: 1 });
    expect(body.checks.events.lag_seconds).toBeGreaterThan(119);
    expect((await get('/health/ready')).status).toBe(200);
    await world.db.query('DELETE FROM event_outbox');
    await world.close();
  });

  it('turn readiness red, and nothing else, when the process is about to leave', async () => {
    const leaving = await start();
    const base = await leaving.getUrl();
    leaving.get(Readiness).drain();
    expect(await get('/health/ready', {}, base)).toMatchObject({ status: 503, body: { status: 'draining' } });
    expect(await get('/health/live', {}, base)).toMatchObject({ status: 200 });
    expect(await get('/health', {}, base)).toMatchObject({ status: 200 });
    await leaving.close();
  });

  describe('/metrics', () => {
    it('is open in development, and shows the process, requests by route and the relay', async () => {
      observeRequest('GET', '/v1/users/:id', 200, 0.003);
      const { status, body, headers } = await get('/metrics');
      expect(status).toBe(200);
      expect(headers.get('content-type')).toContain('text/plain');
      expect(body).toContain(
        'user_service_http_request_duration_seconds_bucket{le="0.005",method="GET",route="/v1/users/:id",status="200"} 1',
      );
      for (const name of [
        'process_resident_memory_bytes',
        'nodejs_eventloop_lag_p99_seconds',
        'user_service_event_relay_lag_seconds',
        'user_service_event_relay_pending',
        'user_service_event_relay_leader',
        'user_service_events_unlinked',
        'user_service_events_unlinked_age_seconds',
      ]) {
        expect(body).toMatch(new RegExp(`^${name} `, 'm'));
      }
    });

    it('asks for its token where there is one', async () => {
      const guarded = await start({ METRICS_TOKEN: TOKEN });
      const base = await guarded.getUrl();
      for (const authorization of ['', `Bearer ${TOKEN}x`, 'Bearer', `Basic ${TOKEN}`, TOKEN]) {
        const reply = await get('/metrics', authorization ? { authorization } : {}, base);
        expect(reply).toMatchObject({ status: 401, body: { code: 'not_authenticated' } });
        expect(reply.headers.get('www-authenticate')).toBe('Bearer');
      }
      expect((await get('/metrics', { authorization: `Bearer ${TOKEN}` }, base)).status).toBe(200);
      await guarded.close();
    });

    it('does not exist outside development without a token', async () => {
      const closed = await start({ ENVIRONMENT: 'production' });
      expect(await get('/metrics', {}, await closed.getUrl())).toMatchObject({ status: 404 });
      await closed.close();
    });

    it('answers while PostgreSQL hangs', async () => {
      servers.freezePostgres();
      try {
        const { status, body, milliseconds } = await get('/metrics');
        expect(status).toBe(200);
        expect(body).toMatch(/^user_service_event_relay_lag_seconds Nan$/m);
        expect(milliseconds).toBeLessThan(2_000);
      } finally {
        servers.thawPostgres();
      }
      await eventually(async () => (await get('/health')).status === 200);
    });
  });
});
