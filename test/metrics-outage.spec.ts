import { systemCaller } from '../src/common/caller';
import { newId } from '../src/common/ids';
import { Events } from '../src/infra/events/events';
import { Metrics } from '../src/infra/metrics/metrics';
import { eventually, startService, TestService } from './support/app';
import { Scrape } from './support/prometheus-text';
import { OwnServers, startOwnServers } from './support/servers';
import { keepFromSaving } from './support/unsaving-redis';

const LAG = 'user_service_event_relay_lag_seconds';
const PENDING = 'user_service_event_relay_pending';
const UP = 'user_service_redis_up';

describe('/metrics while', () => {
  let servers: OwnServers;
  let service: TestService;
  beforeAll(async () => {
    servers = await startOwnServers();
    service = await startService({}, { ...servers, drop: () => Promise.resolve() });
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await servers.stop();
  });

  /** A scrape that was there within two seconds. */
  async function timelyScrape(): Promise<Scrape> {
    const asked = performance.now();
    const scrape = await Scrape.of(service);
    expect(performance.now() - asked).toBeLessThan(2_000);
    return scrape;
  }

  const scrapeShows = (what: string, isShown: (scrape: Scrape) => boolean) =>
    eventually(async () => isShown(await timelyScrape()), what);

  /** Something happens that nobody needs Redis for. */
  const recordEvent = () =>
    service.db.transaction((tx) =>
      service.app.get(Events).record(tx, systemCaller('request-1'), {
        type: 'user.updated',
        subject: `user:${newId()}`,
        data: { fields: ['name'] },
      }),
    );

  for (const [name, end, begin] of [
    ['is killed', 'killRedis', 'restartRedis'],
    ['hangs', 'freezeRedis', 'thawRedis'],
  ] as const) {
    it(`Redis ${name} show that, and that events wait ever longer`, async () => {
      expect((await timelyScrape()).value(UP)).toBe(1);
      await servers[end]();
      try {
        await recordEvent();
        await scrapeShows('the loss of Redis', (scrape) => scrape.value(UP) === 0);
        const first = await timelyScrape();
        expect(first.value(PENDING)).toBeGreaterThanOrEqual(1);
        await scrapeShows('a growing lag', (scrape) => scrape.value(LAG) > first.value(LAG) + 0.2);
      } finally {
        await servers[begin]();
      }
      await scrapeShows(
        'that all is well again',
        (scrape) => scrape.value(UP) === 1 && scrape.value(PENDING) === 0 && scrape.value(LAG) === 0,
      );
    });
  }

  it('Redis takes no writes show that, though it answers', async () => {
    const end = await keepFromSaving(service.redis);
    try {
      await scrapeShows('that Redis takes no writes', (scrape) => scrape.value(UP) === 0);
      expect(await service.redis.ping().catch((error: Error) => error.message)).toMatch(/^(PONG|MISCONF)/);
    } finally {
      await end();
    }
    await scrapeShows('that all is well again', (scrape) => scrape.value(UP) === 1);
  });

  for (const [name, end, begin] of [
    ['is killed', 'killPostgres', 'restartPostgres'],
    ['hangs', 'freezePostgres', 'thawPostgres'],
  ] as const) {
    it(`PostgreSQL ${name} are there with what is known, and claim nothing of events`, async () => {
      await servers[end]();
      try {
        // Several scrapers do not make it slower.
        const scrapes = await Promise.all([1, 2, 3, 4, 5].map(() => timelyScrape()));
        for (const scrape of scrapes) {
          expect([scrape.value(LAG), scrape.value(PENDING)]).toEqual([NaN, NaN]);
          expect(scrape.value(UP)).toBe(1);
          expect(scrape.value('process_resident_memory_bytes')).toBeGreaterThan(0);
        }
      } finally {
        await servers[begin]();
      }
      await scrapeShows('that all is well again', (scrape) => scrape.value(PENDING) === 0);
    });
  }

  it('a measurement fails or never ends are there without it', async () => {
    const metrics = new Metrics();
    metrics.beforeScrape(() => new Promise(() => undefined));
    metrics.beforeScrape(() => {
      throw new Error('no');
    });
    const asked = performance.now();
    expect(await metrics.scrape()).toContain('process_resident_memory_bytes');
    expect(performance.now() - asked).toBeLessThan(2_000);
  });
});
