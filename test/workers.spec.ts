import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { markOf } from '../src/embedded/process-mark';
import { eventually } from './support/app';
import { createTestDatabase, TestDatabase } from './support/database';
import { KeepAliveClient, KeepAliveLoad, Reply } from './support/keep-alive-load';
import { newPerson } from './support/people';
import { childrenOf } from './support/process-tree';
import { Scrape } from './support/prometheus-text';
import { ended, ServicePlace, ServiceProgram } from './support/service-process';

const UNLIMITED = '1000000';
const ROLLED = /"msg":"rolling restart done"/g;
const REQUESTS = 'user_service_http_request_duration_seconds_count';

/** One instance of two processes; the tests follow each other on it, and the last one ends it. */
describe('Workers on one port', () => {
  let place: ServicePlace;
  let stores: TestDatabase;
  let service: ServiceProgram;

  beforeAll(async () => {
    [place, stores] = await Promise.all([ServicePlace.make(), createTestDatabase()]);
    service = await place
      .service({
        DATABASE_URL: stores.databaseUrl,
        REDIS_URL: stores.redisUrl,
        WEB_CONCURRENCY: '2',
        WORKER_HANG_SECONDS: '8',
        LOG_LEVEL: 'info',
        PASSWORD_BCRYPT_COST: '8',
        RATELIMIT_LOGIN_ATTEMPTS: UNLIMITED,
        RATELIMIT_REGISTER_ATTEMPTS: UNLIMITED,
        RATELIMIT_REFRESH_ATTEMPTS: UNLIMITED,
        DATABASE_QUERY_TIMEOUT_MS: '5000',
        DATABASE_POOL_TIMEOUT: '5',
        REDIS_COMMAND_TIMEOUT_MS: '5000',
      })
      .ready();
  }, 60_000);
  afterEach(() => clients.splice(0).forEach((each) => each.end()));
  afterAll(async () => {
    await place.remove();
    await stores.drop();
  });

  const clients: KeepAliveClient[] = [];
  const client = (): KeepAliveClient => {
    clients.push(new KeepAliveClient(place.port));
    return clients.at(-1)!;
  };
  /** On a connection of its own, which is closed then. */
  async function once(...request: Parameters<KeepAliveClient['send']>): Promise<Reply> {
    const one = client();
    return one.send(...request).finally(() => one.end());
  }
  const workers = (): number[] => childrenOf(service.pid);
  const scrape = async (): Promise<Scrape> => new Scrape((await once('GET', '/metrics')).body);
  const rolls = (): number => service.output.match(ROLLED)?.length ?? 0;
  const signal = (name: NodeJS.Signals): void => void process.kill(service.pid, name);

  /** Signs somebody up and in. */
  async function enrol(): Promise<{ email: string; password: string; access: string; refresh: string }> {
    const { email, password, name } = newPerson();
    expect((await once('POST', '/v1/auth/register', { body: { email, password, name } })).status).toBe(201);
    const body = { email, password, token_delivery: 'body' };
    const tokens = JSON.parse((await once('POST', '/v1/auth/login', { body })).body);
    return { email, password, access: tokens.access_token, refresh: tokens.refresh_token };
  }

  /** People who read, people whose tokens are renewed all the time, and some who think for long. */
  async function underLoad(): Promise<KeepAliveLoad> {
    const load = new KeepAliveLoad();
    const people = await Promise.all(Array.from({ length: 3 }, enrol));
    for (const person of people) {
      const renewing = client();
      load.add(async () => {
        const body = { refresh_token: person.refresh };
        const reply = await renewing.send('POST', '/v1/auth/refresh', { body });
        const tokens = JSON.parse(reply.body);
        if (reply.status === 200)
          Object.assign(person, { access: tokens.access_token, refresh: tokens.refresh_token });
        return reply;
      }, 100);
      for (const pause of [60, 200, 1_500]) {
        const reading = client();
        load.add(() => reading.send('GET', '/v1/users/me', { token: person.access }), pause);
      }
    }
    return load;
  }

  it('are as many as asked for, print one summary, and share all requests', async () => {
    expect(workers()).toHaveLength(2);
    expect(service.output.match(/is ready after/g)).toHaveLength(1);
    const before = (await scrape()).value(REQUESTS, { route: '/health/live', status: '200' });
    for (let i = 0; i < 6; i++) await once('GET', '/health/live');
    const after = await scrape();
    expect(after.value(REQUESTS, { route: '/health/live', status: '200' }) - before).toBe(6);
    expect(after.value('user_service_workers')).toBe(2);
    expect(after.value('user_service_workers_answered')).toBe(2);
    expect(after.value('user_service_redis_up')).toBe(1);
    expect(after.value('user_service_postgres_pool_connections_max')).toBe(2 * (10 + 5));
    // Of jobs that are due once per hour, one process of both has done each, once.
    expect(after.value('user_service_job_runs_total', { task: 'purge', result: 'done' })).toBe(1);
    expect(after.value('user_service_job_runs_total', { task: 'rewrap', result: 'done' })).toBe(1);
  });

  it('that hang are left out of the metrics in time, but for what they have counted, and are replaced', async () => {
    const before = await scrape();
    const [stopped, survivor] = workers();
    process.kill(stopped!, 'SIGSTOP');
    const asked = performance.now();
    // Connections go to both in turn; the one that hangs answers none.
    const during = await Promise.any([scrape(), sleep(300).then(scrape), sleep(600).then(scrape)]);
    expect(performance.now() - asked).toBeLessThan(6_000);
    expect(during.value('user_service_workers')).toBe(2);
    expect(during.value('user_service_workers_answered')).toBe(1);
    expectNoneFell(before, during);
    await eventually(
      async () => workers().length === 2 && !workers().includes(stopped!),
      'another in its place',
      40_000,
    );
    expect(service.output).toContain(`process ${stopped} hangs`);
    await eventually(
      async () => (await scrape()).value('user_service_workers_answered') === 2,
      'both',
      60_000,
    );
    expect(workers()).toContain(survivor);
    expectNoneFell(before, await scrape());
  }, 120_000);

  it('are replaced one by one on SIGHUP without one failed request, and a second SIGHUP waits its turn', async () => {
    const old = workers();
    const before = await scrape();
    const load = await underLoad();
    await sleep(500);
    signal('SIGHUP');
    await sleep(300);
    signal('SIGHUP');
    await eventually(async () => rolls() === 2, 'both rolling restarts', 150_000);
    await sleep(500);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.replies).toBeGreaterThan(200);
    expect(workers()).toHaveLength(2);
    expect(workers().filter((pid) => old.includes(pid))).toEqual([]);
    const after = await scrape();
    expectNoneFell(before, after);
    expect(after.value('user_service_workers_ended_total', { reason: 'retired' })).toBe(4);
    expect(after.value('user_service_workers_ended_total', { reason: 'died' })).toBe(
      before.value('user_service_workers_ended_total', { reason: 'died' }),
    );
    // A new worker is no new instance.
    expect(after.value('user_service_job_runs_total', { task: 'purge', result: 'done' })).toBe(1);
  }, 180_000);

  it('that replace others go by the .env of that moment, and where it is wrong the old ones stay', async () => {
    const versions = async (): Promise<string[]> => {
      const replies = await Promise.all([1, 2, 3, 4].map(() => once('GET', '/health')));
      return [...new Set(replies.map(({ body }) => String(JSON.parse(body).version)))];
    };
    const file = join(place.folder, '.env');
    writeFileSync(file, 'VERSION=7.7.7\nPORT=1\nWEB_CONCURRENCY=9\n');
    const before = rolls();
    signal('SIGHUP');
    await eventually(async () => rolls() > before, 'the rolling restart', 60_000);
    expect(await versions()).toEqual(['7.7.7']);
    const pids = workers();
    expect(pids).toHaveLength(2);

    writeFileSync(file, 'VERSION=8.8.8\nLOG_FORMAT=xml\n');
    signal('SIGHUP');
    await eventually(async () => service.output.includes('the rolling restart stopped'), 'its end', 60_000);
    expect(service.output).toContain('  - LOG_FORMAT: ');
    await sleep(1_000);
    expect(workers()).toEqual(pids);
    expect(await versions()).toEqual(['7.7.7']);
    writeFileSync(file, 'VERSION=7.7.7\n');
  }, 150_000);

  it('that are killed are replaced, the other serves on, nobody waits in vain, and no sum falls', async () => {
    const [victim, survivor] = workers();
    const load = await underLoad();
    const before = await scrape();
    process.kill(victim!, 'SIGSTOP');
    // Of these, or of the load, one is handed to it and not taken any more.
    const handed = [1, 2, 3].map(() =>
      once('GET', '/health/live').then(
        ({ status }) => status,
        (error: NodeJS.ErrnoException) => error.code,
      ),
    );
    await Promise.race(handed);
    await sleep(500);
    process.kill(victim!, 'SIGKILL');
    const lost = (await Promise.all(handed)).filter((reply) => reply !== 200);
    expect(lost).toEqual(lost.slice(0, 1).map(() => 'ECONNRESET'));
    await eventually(async () => workers().length === 2 && !workers().includes(victim!), 'another', 60_000);
    await eventually(
      async () => (await scrape()).value('user_service_workers_answered') === 2,
      'both',
      60_000,
    );
    await load.stop();
    expect(workers()).toContain(survivor);
    // Who was connected to it lost the connection, once; the refresh that was under way is repeated with the same token.
    expect(load.failures.filter((failure) => !/^ECONNRESET|^EPIPE|socket hang up/.test(failure))).toEqual([]);
    expect(load.failures.length).toBeLessThanOrEqual(12);
    const after = await scrape();
    expectNoneFell(before, after);
    expect(after.value('user_service_workers_ended_total', { reason: 'died' })).toBe(
      before.value('user_service_workers_ended_total', { reason: 'died' }) + 1,
    );
  }, 120_000);

  it('finish what is under way on SIGTERM, also in the middle of a rolling restart', async () => {
    const { email, password } = await enrol();
    const marks = workers().map((pid) => markOf(pid)!);
    signal('SIGHUP');
    const body = { email, password, token_delivery: 'body' };
    const many = Array.from({ length: 24 }, client);
    for (const each of many) await each.send('GET', '/health/live');
    const logins = many.map((each) => each.send('POST', '/v1/auth/login', { body }));
    await Promise.race(logins);
    signal('SIGTERM');
    const replies = await Promise.all(logins);
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
    expect(await service.exitCode).toBe(0);
    expect(await ended(marks)).toBe(true);
    await expect(once('GET', '/health/live')).rejects.toThrow('ECONNREFUSED');
  }, 60_000);
});

/** Of no counter, and no part of a histogram. */
function expectNoneFell(before: Scrape, after: Scrape): void {
  const grows = ({ name }: { name: string }): boolean =>
    ['counter', 'histogram'].includes(after.types.get(name) ?? 'histogram');
  const fallen = before.samples
    .filter(grows)
    .filter(({ name, labels, value }) => {
      const [same] = after.series(name, labels).filter((one) => sameLabels(one.labels, labels));
      return !same || same.value < value;
    })
    .map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
  expect(fallen).toEqual([]);
  expect(before.samples.filter(grows).length).toBeGreaterThan(100);
}

const sameLabels = (one: object, other: object): boolean =>
  Object.keys(one).length === Object.keys(other).length;
