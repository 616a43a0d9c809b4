import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { DEVELOPMENT_KEY_MARK } from '../src/config/weaknesses';
import { embeddedUrls } from '../src/embedded/embedded-urls';
import { freePort } from '../src/embedded/ports';
import { markOf } from '../src/embedded/process-mark';
import { createTestDatabase } from './support/database';
import { childrenOf } from './support/process-tree';
import { ended, ServicePlace } from './support/service-process';

describe('npm start', () => {
  let place: ServicePlace;

  beforeEach(async () => {
    place = await ServicePlace.make();
  });
  afterEach(() => place.remove());

  it('makes all it needs from nothing, stops it on Ctrl-C, and finds it again', async () => {
    const first = await place.service().ready();
    expect(first.output).toMatch(/✓ PostgreSQL 18\.\d+ on 127\.0\.0\.1:\d+ {2}\d+\.\d\d s/);
    expect(first.output).toMatch(/✓ Redis \d+\.\d+\.\d+ on 127\.0\.0\.1:\d+ {2}\d+\.\d\d s/);
    expect(first.output).toContain(`http://localhost:${place.port}/docs`);
    expect(first.output).toContain(`http://localhost:${place.port}/dev/mailbox`);
    expect(readFileSync(place.keyPath, 'utf8').startsWith(DEVELOPMENT_KEY_MARK)).toBe(true);
    expect(statSync(place.keyPath).mode & 0o777).toBe(0o600);
    expect(await answers(place.port)).toBe(true);
    await remember(place);
    const [key, servers] = [readFileSync(place.keyPath, 'utf8'), place.servers()];
    expect(servers).toHaveLength(2);

    expect(await first.end('SIGINT')).toBe(0);
    expect(await ended(servers)).toBe(true);

    const second = await place.service().ready();
    expect(await remembers(place)).toBe(true);
    expect(readFileSync(place.keyPath, 'utf8')).toBe(key);
    expect(await second.end('SIGTERM')).toBe(0);
  });

  it('prints calls that work', async () => {
    const { output } = await place.service().ready();
    const body = /-d '(\{.*?\})'/.exec(output)![1]!;
    const url = `http://127.0.0.1:${place.port}`;
    const login = await fetch(`${url}/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    // As the printed sed takes it out of the reply.
    const token = (await login.text()).replace(/.*"access_token":"([^"]*)".*/, '$1');
    const me = await fetch(`${url}/v1/users/me`, { headers: { authorization: `Bearer ${token}` } });
    expect(me.status).toBe(200);
    expect(await me.json()).toMatchObject({ email: JSON.parse(body).email });
    expect((await fetch(`${url}/v1/auth/.well-known/jwks.json`)).status).toBe(200);
  });

  it('keeps passwords and the key to their owner, and out of the arguments of processes', async () => {
    await place.service().ready();
    const secrets = ['postgres', 'redis'].map((server) => {
      const file = join(place.dataDir, `${server}.access.json`);
      expect(statSync(file).mode & 0o077).toBe(0);
      return JSON.parse(readFileSync(file, 'utf8')).password as string;
    });
    for (const { pid } of place.servers()) {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      for (const secret of secrets) expect(commandLine).not.toContain(secret);
    }
    const urls = (await embeddedUrls(place.dataDir))!;
    const intruder = new Client({ connectionString: urls.databaseUrl.replace(/:[^:@]+@/, ':wrong@') });
    await expect(intruder.connect()).rejects.toThrow('authentication failed');
    const guest = new Redis(urls.redisUrl.replace(/:[^:@]+@/, ''), {
      lazyConnect: true,
      enableReadyCheck: false,
    });
    await guest.connect();
    await expect(guest.get('key')).rejects.toThrow('NOAUTH');
    guest.disconnect();
  });

  it('names who has its port, before it starts anything', async () => {
    const other = createServer().listen(place.port, '127.0.0.1');
    const service = place.service();
    expect(await service.exitCode).toBe(1);
    expect(service.output).toContain(`port ${place.port} is taken by process ${process.pid} (`);
    expect(existsSync(place.dataDir)).toBe(false);
    other.close();
  });

  it('lets nobody else on its data, and goes on undisturbed', async () => {
    const first = await place.service().ready();
    const second = place.service({ PORT: String(await freePort()) });
    expect(await second.exitCode).toBe(1);
    expect(second.output).toContain(
      `the service already runs here: process ${first.pid} on port ${place.port}`,
    );
    const reset = place.reset();
    expect(await reset.exitCode).toBe(1);
    expect(reset.output).toContain(`process ${first.pid}`);
    expect(place.servers().every((mark) => markOf(mark.pid)?.started === mark.started)).toBe(true);
    expect(await answers(place.port)).toBe(true);
  });

  it('starts after a kill -9, whatever state its servers were left in', async () => {
    const first = await place.service().ready();
    await remember(place);
    const servers = place.servers();
    await first.end('SIGKILL');
    for (const { pid } of servers) process.kill(pid, 'SIGSTOP');

    const second = await place.service().ready();
    expect(await ended(servers)).toBe(true);
    expect(await remembers(place)).toBe(true);
    const again = place.servers();
    await second.end('SIGKILL');
    for (const { pid } of again) process.kill(pid, 'SIGKILL');

    await place.service().ready();
    expect(await remembers(place)).toBe(true);
  }, 60_000);

  it('finishes what an interrupted first start began, and moves off ports that others took', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    mkdirSync(join(place.dataDir, 'postgres.new', 'base'), { recursive: true });
    writeFileSync(join(place.dataDir, '.user-service-data'), '');
    writeFileSync(join(place.dataDir, 'redis.access.json'), JSON.stringify({ port, password: 'secret' }));
    const { output } = await place.service().ready();
    expect(output).toContain('✓ Redis');
    expect(output).not.toContain(`127.0.0.1:${port} `);
    taken.close();
  });

  // Only root can start the servers as another user, which is what this is about.
  const asRoot = process.getuid?.() === 0 ? it : it.skip;
  asRoot("keeps the data elsewhere when the servers' user can't enter the project's folder", async () => {
    chmodSync(place.folder, 0o700);
    const service = await place.service().ready();
    const [, folder] = /data lies in (\/var\/tmp\/user-service-[0-9a-f]{16}):/.exec(service.output)!;
    expect(existsSync(place.dataDir)).toBe(false);
    await service.end('SIGINT');
    await place.reset().exitCode;
    expect(existsSync(folder!)).toBe(false);
  });

  it('starts nothing of its own where the stores are configured', async () => {
    const stores = await createTestDatabase();
    const service = await place
      .service({ DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl })
      .ready();
    expect(existsSync(place.dataDir)).toBe(false);
    expect(service.output).not.toContain('✓ PostgreSQL');
    expect(await service.end('SIGINT')).toBe(0);
    await stores.drop();
  });

  it('goes on after SIGHUP as a single process, and says that it cannot restart without a gap', async () => {
    const stores = await createTestDatabase();
    const service = place.service({ DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl });
    await service.ready();
    process.kill(service.pid, 'SIGHUP');
    for (const deadline = Date.now() + 10_000; !service.output.includes('SIGHUP changes nothing');) {
      expect(Date.now()).toBeLessThan(deadline);
      await sleep(20);
    }
    expect(await answers(place.port)).toBe(true);
    expect(await service.end('SIGINT')).toBe(0);
    await stores.drop();
  });

  it('names every weak setting at once in production', async () => {
    const service = place.service({ ENVIRONMENT: 'production', DEBUG: 'true', LOG_FORMAT: 'xml' });
    expect(await service.exitCode).toBe(1);
    for (const name of ['DATABASE_URL', 'REDIS_URL', 'SMTP_HOST', 'PUBLIC_URL', 'DEBUG', 'LOG_FORMAT']) {
      expect(service.output).toContain(`  - ${name}: `);
    }
    expect(service.output).not.toContain('    at ');
    expect(existsSync(place.dataDir)).toBe(false);
  });

  it('serves from several processes on one port, and replaces one that dies', async () => {
    const service = await place.service({ WEB_CONCURRENCY: '2' }).ready();
    const servers = place.servers().map(({ pid }) => pid);
    const workers = (): number[] => childrenOf(service.pid).filter((pid) => !servers.includes(pid));
    const [victim, survivor] = workers();
    expect(survivor).toBeDefined();

    process.kill(victim!, 'SIGKILL');
    let lost = 0;
    for (const deadline = Date.now() + 15_000; workers().length < 2 || workers().includes(victim!);) {
      expect(Date.now()).toBeLessThan(deadline);
      if (!(await answers(place.port).catch(() => false))) lost++;
      await sleep(50);
    }
    // The connection that was on its way to it when it died.
    expect(lost).toBeLessThanOrEqual(1);
    const marks = [...workers(), ...servers].map((pid) => markOf(pid)!);
    expect(await service.end('SIGINT')).toBe(0);
    expect(await ended(marks)).toBe(true);
  }, 60_000);
});

describe('npm run reset', () => {
  let place: ServicePlace;

  beforeEach(async () => {
    place = await ServicePlace.make();
  });
  afterEach(() => place.remove());

  it('forgets data and development key, also when a killed service left its servers running', async () => {
    const service = await place.service().ready();
    const servers = place.servers();
    await service.end('SIGKILL');
    const reset = place.reset();
    expect(await reset.exitCode).toBe(0);
    expect(reset.output).toContain(`deleted ${place.dataDir}`);
    expect(existsSync(place.dataDir)).toBe(false);
    expect(readdirSync(join(place.folder, 'keys'))).toEqual([]);
    expect(await ended(servers)).toBe(true);
    expect(await place.reset().exitCode).toBe(0);
  });

  it('leaves a folder and a key alone that it did not make', async () => {
    mkdirSync(place.dataDir);
    mkdirSync(join(place.folder, 'keys'));
    writeFileSync(join(place.dataDir, 'thesis.txt'), 'three years of work');
    writeFileSync(place.keyPath, `${'0'.repeat(64)}\n`);
    const reset = place.reset();
    expect(await reset.exitCode).toBe(1);
    expect(reset.output).toContain('was not made by this service');
    const start = place.service();
    expect(await start.exitCode).toBe(1);
    expect(start.output).toContain('has other things in it');
    expect(readdirSync(place.dataDir)).toEqual(['thesis.txt']);
    expect(existsSync(place.keyPath)).toBe(true);
  });
});

/** Any reply at all. */
async function answers(port: number): Promise<boolean> {
  const reply = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal: AbortSignal.timeout(2_000) });
  return reply.ok;
}

async function remember(place: ServicePlace): Promise<void> {
  await onStores(place, async (db, redis) => {
    await db.query('CREATE TABLE remembered ()');
    await redis.set('remembered', 'yes');
  });
}

async function remembers(place: ServicePlace): Promise<boolean> {
  return onStores(place, async (db, redis) => {
    await db.query('SELECT FROM remembered');
    return (await redis.get('remembered')) === 'yes';
  });
}

async function onStores<T>(place: ServicePlace, work: (db: Client, redis: Redis) => Promise<T>): Promise<T> {
  const { databaseUrl, redisUrl } = (await embeddedUrls(place.dataDir))!;
  const db = new Client(databaseUrl);
  const redis = new Redis(redisUrl);
  await db.connect();
  try {
    return await work(db, redis);
  } finally {
    await db.end();
    redis.disconnect();
  }
}
