import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, startService, TestService } from './support/app';
import { EventWorld } from './support/event-world';
import { OwnServers, startOwnServers } from './support/servers';
import { ServicePlace, ServiceProgram } from './support/service-process';
import { deliveriesOf, NewWebhook, newWebhook, Receiver, startReceiver } from './support/webhook-world';

const SETTINGS = {
  WEBHOOK_PRIVATE_NETWORKS: '127.0.0.0/8',
  WEBHOOK_TIMEOUT_SECONDS: '1',
  // A machine that is busy with starting services is no outage.
  DATABASE_POOL_TIMEOUT: '5',
  DATABASE_QUERY_TIMEOUT_MS: '5000',
  REDIS_COMMAND_TIMEOUT_MS: '5000',
};

describe('Webhooks, while processes and servers are killed', () => {
  let servers: OwnServers;
  let place: ServicePlace;
  let other: ServicePlace;
  let world: EventWorld;
  let receiver: Receiver;
  let numbers = 0;

  beforeAll(async () => {
    servers = await startOwnServers();
    place = await ServicePlace.make();
    other = await ServicePlace.make();
    mkdirSync(dirname(place.keyPath), { recursive: true });
    writeFileSync(place.keyPath, randomBytes(32).toString('hex'), { mode: 0o600 });
    world = await EventWorld.create(servers.databaseUrl, servers.redisUrl);
  }, 60_000);
  afterAll(async () => {
    await world.close();
    await Promise.all([place.remove(), other.remove()]);
    await servers.stop();
  });
  beforeEach(async () => {
    receiver = await startReceiver();
    receiver.answer((response) => setTimeout(() => response.writeHead(200).end(), 5));
  });
  afterEach(async () => {
    await receiver.stop();
    await world.db.query('DELETE FROM webhooks');
  });

  const stores = () => ({
    databaseUrl: servers.databaseUrl,
    redisUrl: servers.redisUrl,
    drop: () => Promise.resolve(),
  });
  const inProcess = (): Promise<TestService> =>
    startService({ ...SETTINGS, LOCAL_KMS_KEY_PATH: place.keyPath, DATABASE_POOL_SIZE: '8' }, stores());
  /** The built service, as it runs in production but for its stores. */
  const asProcess = (where = place): ServiceProgram =>
    where.service({
      LOCAL_KMS_KEY_PATH: place.keyPath,
      ...SETTINGS,
      PORT: '0',
      DATABASE_URL: servers.databaseUrl,
      REDIS_URL: servers.redisUrl,
    });

  /** Records so many events, also while PostgreSQL fails now and then. @returns the ids of those that were committed. */
  async function happen(count: number): Promise<string[]> {
    const marks: string[] = [];
    for (let i = 0; i < count; i++) {
      const number = ++numbers;
      marks.push(String(number));
      await eventually(
        () =>
          world.record(world.numbered(`user:${number % 5}`, number)).then(
            () => true,
            () => false,
          ),
        'an event to be recorded',
      );
    }
    const rows = await world.db.query<{ event_id: string }[]>(
      `SELECT event_id FROM events WHERE event_type = 'user.updated' AND data->'fields'->>0 = ANY($1)`,
      [marks],
    );
    return rows.map((row) => row.event_id);
  }

  const allArrived = (webhook: NewWebhook, ids: string[], timeoutMs: number) =>
    eventually(
      async () => {
        const done = await deliveriesOf(world.db, webhook.id).catch(() => []);
        return done.filter((one) => one.status === 'delivered').length >= ids.length && done;
      },
      'every event',
      timeoutMs,
    );
  const arrived = () => new Set(receiver.received.map((one) => one.id));

  it('loses and invents nothing when the process that sends is killed again and again', async () => {
    const maker = await inProcess();
    const webhook = await newWebhook(maker, receiver.url);
    await maker.stop();
    const first = [await asProcess().ready(), await asProcess(other).ready()];
    const writing = happen(400);
    let victims = first;
    for (let kills = 0; kills < 3; kills++) {
      const sent = receiver.received.length;
      await eventually(async () => receiver.received.length > sent + 10, 'something to be sent', 20_000);
      await sleep(Math.random() * 200);
      await Promise.all(victims.map((victim) => victim.end('SIGKILL')));
      victims = [asProcess()];
      await victims[0]!.ready();
    }
    const ids = await writing;
    const deliveries = await allArrived(webhook, ids, 30_000);
    expect(new Set(deliveries.map((one) => one.event_id))).toEqual(new Set(ids));
    expect(deliveries).toHaveLength(ids.length);
    expect(arrived()).toEqual(new Set(ids));
    const twice = receiver.received.length - ids.length;
    // Only what was on its way at a kill came twice, and it said the same.
    expect(twice).toBeLessThanOrEqual(3 * 8);
    expect(new Set(receiver.received.map((one) => one.text)).size).toBe(ids.length);
    for (const victim of victims) expect(await victim.end('SIGTERM')).toBe(0);
  }, 90_000);

  it('goes on without Redis', async () => {
    const service = await inProcess();
    const webhook = await newWebhook(service, receiver.url);
    await servers.killRedis();
    const startedAt = performance.now();
    const ids = await happen(30);
    await allArrived(webhook, ids, 10_000);
    expect(arrived()).toEqual(new Set(ids));
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    await servers.restartRedis();
    await service.stop();
  }, 60_000);

  it('goes on when PostgreSQL is back', async () => {
    const service = await inProcess();
    const webhook = await newWebhook(service, receiver.url);
    const before = await happen(50);
    await eventually(async () => receiver.received.length > 5, 'something to be sent');
    await servers.killPostgres();
    await sleep(1_000);
    await servers.restartPostgres();
    const after = await happen(20);
    const ids = [...before, ...after];
    await allArrived(webhook, ids, 30_000);
    expect(arrived()).toEqual(new Set(ids));
    await service.stop();
  }, 90_000);

  it('sends everything once where nothing fails, however many processes there are', async () => {
    const services = [await inProcess(), await inProcess(), await inProcess()];
    const webhook = await newWebhook(services[0]!, receiver.url);
    const ids: string[] = [];
    for (let round = 0; round < 5; round++) {
      ids.push(...(await happen(40)));
      await sleep(300);
    }
    await allArrived(webhook, ids, 20_000);
    expect(receiver.received.map((one) => one.id).sort()).toEqual([...ids].sort());
    await Promise.all(services.map((service) => service.stop()));
  }, 60_000);

  it('stops within two seconds while receivers hang, and hands their lanes over', async () => {
    const [stopping, staying] = [await inProcess(), await inProcess()];
    receiver.answer(() => undefined);
    const webhooks = await Promise.all([1, 2, 3].map(() => newWebhook(stopping, receiver.url)));
    await happen(10);
    await eventually(async () => receiver.received.length >= 3, 'requests to hang');
    const startedAt = performance.now();
    await stopping.stop();
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    receiver.answer((response) => response.writeHead(204).end());
    for (const webhook of webhooks) {
      await world.db.query(`UPDATE webhook_deliveries SET due_at = now() WHERE webhook_id = $1`, [
        webhook.id,
      ]);
      await world.db.query(`UPDATE webhooks SET rest_until = NULL WHERE id = $1`, [webhook.id]);
    }
    for (const webhook of webhooks) await allArrived(webhook, Array<string>(10).fill(''), 15_000);
    await staying.stop();
  }, 60_000);
});
