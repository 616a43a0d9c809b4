import { EntityManager } from 'typeorm';
import { Clock } from '../src/common/clock';
import { FanOut } from '../src/webhooks/fan-out/fan-out.service';
import { FanOutLoop } from '../src/webhooks/fan-out/fan-out-loop';
import { eventually, startService, TestService } from './support/app';
import { deliveriesOf, happen, newWebhook } from './support/webhook-world';

const NOWHERE = 'http://127.0.0.1:1/';

interface Cursor {
  position: number;
  day: string;
}

/** The fan-out's own loop is stopped: each stretch is asked for. Nothing listens at the URLs; only rows count. */
describe('The fan-out', () => {
  let service: TestService;
  let fanOut: FanOut;

  beforeAll(async () => {
    service = await startService({ WEBHOOK_PRIVATE_NETWORKS: '127.0.0.0/8', WEBHOOK_TIMEOUT_SECONDS: '1' });
    await service.app.get(FanOutLoop).beforeApplicationShutdown();
    fanOut = service.app.get(FanOut);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    await linked();
    while ((await fanOut.advance(500)).links > 0);
  });
  afterEach(() => service.db.query('DELETE FROM webhooks'));

  const linked = () =>
    eventually(async () => {
      const [{ left }] = await service.db.query('SELECT count(*)::int AS left FROM event_outbox');
      return left === 0;
    }, 'all events to have their links');
  const cursor = async (): Promise<Cursor> => {
    const [row] = await service.db.query('SELECT position::int, day::text FROM webhook_fan_out');
    return row;
  };
  const chainEnd = async (): Promise<Cursor> => {
    const [row] = await service.db.query(
      'SELECT position::int, day::text FROM event_chain ORDER BY position DESC LIMIT 1',
    );
    return row;
  };

  it('makes each delivery once when twenty do it at the same time', async () => {
    const webhooks = [await newWebhook(service, NOWHERE), await newWebhook(service, NOWHERE, [])];
    const ids = await happen(service, 100);
    await linked();
    const stretches: number[] = [];
    while ((await cursor()).position < (await chainEnd()).position) {
      const round = await Promise.all(Array.from({ length: 20 }, () => fanOut.advance(7)));
      // Whoever finds that another has moved the cursor does nothing at all.
      for (const { links, deliveries } of round) {
        if (links === 0) expect(deliveries).toBe(0);
        else stretches.push(links);
      }
    }
    expect(stretches.reduce((sum, links) => sum + links, 0)).toBe(100);
    expect(Math.max(...stretches)).toBe(7);
    for (const { id } of webhooks)
      expect((await deliveriesOf(service.db, id)).map((one) => one.event_id)).toEqual(ids);
  });

  it('does nothing by half: what fails leaves the cursor and the deliveries as they were', async () => {
    const webhook = await newWebhook(service, NOWHERE);
    const before = await cursor();
    await happen(service, 5);
    await linked();
    await service.db.query(
      `ALTER TABLE webhook_deliveries ADD CONSTRAINT trouble CHECK (position <> ${before.position + 4})`,
    );
    await expect(fanOut.advance(500)).rejects.toThrow('trouble');
    expect(await cursor()).toEqual(before);
    expect(await deliveriesOf(service.db, webhook.id)).toEqual([]);
    await service.db.query('ALTER TABLE webhook_deliveries DROP CONSTRAINT trouble');
    expect(await fanOut.advance(500)).toEqual({ links: 5, deliveries: 5, isWanted: true });
    expect(await cursor()).toEqual(await chainEnd());
  });

  it('moves on without any webhook, and writes nothing where nothing has happened', async () => {
    await happen(service, 20);
    await linked();
    expect(await fanOut.advance(500)).toEqual({ links: 20, deliveries: 0, isWanted: false });
    const version = async () => (await service.db.query('SELECT xmin::text FROM webhook_fan_out'))[0].xmin;
    const before = await version();
    for (let i = 0; i < 5; i++) expect(await fanOut.advance(500)).toMatchObject({ links: 0, deliveries: 0 });
    expect(await version()).toBe(before);
  });

  it('tells senders to look for nothing while no webhook is enabled, and notices one within a second', async () => {
    const loop = new FanOutLoop(fanOut, true);
    const advance = fanOut.advance.bind(fanOut);
    loop.onApplicationBootstrap();
    try {
      await eventually(async () => !loop.isWanted, 'it to know that there is none');
      const webhook = await newWebhook(service, NOWHERE);
      const since = Date.now();
      await eventually(async () => loop.isWanted, 'it to know that there is one');
      // A second, and what a busy machine adds.
      expect(Date.now() - since).toBeLessThan(3_000);
      await service.db.query('UPDATE webhooks SET enabled = false WHERE id = $1', [webhook.id]);
      await eventually(async () => !loop.isWanted, 'it to know that it is disabled');
      // What was due before could be sent all the same, so whoever does not know lets senders look.
      fanOut.advance = () => Promise.reject(new Error('trouble'));
      await eventually(async () => loop.isWanted, 'it to know nothing');
    } finally {
      fanOut.advance = advance;
      await loop.beforeApplicationShutdown();
    }
  });

  it('passes over an event that is not kept any more', async () => {
    const webhook = await newWebhook(service, NOWHERE);
    const [first, second, third] = await happen(service, 3);
    await linked();
    await service.db.query('ALTER TABLE events DISABLE TRIGGER events_append_only');
    await service.db.query('DELETE FROM events WHERE event_id = $1', [second]);
    await service.db.query('ALTER TABLE events ENABLE TRIGGER events_append_only');
    expect(await fanOut.advance(500)).toEqual({ links: 3, deliveries: 2, isWanted: true });
    expect((await deliveriesOf(service.db, webhook.id)).map((one) => one.event_id)).toEqual([first, third]);
  });

  it('makes nothing twice when its cursor is set back', async () => {
    const webhook = await newWebhook(service, NOWHERE);
    const before = await cursor();
    await happen(service, 4);
    await linked();
    await fanOut.advance(500);
    await service.db.query('UPDATE webhook_fan_out SET position = $1, day = $2', [
      before.position,
      before.day,
    ]);
    expect(await fanOut.advance(500)).toEqual({ links: 4, deliveries: 0, isWanted: true });
    expect(await deliveriesOf(service.db, webhook.id)).toHaveLength(4);
  });

  it('reads no partition of the chain from before its day', async () => {
    const rows: string[] = [];
    const explaining = {
      query: async (sql: string, values: unknown[]) => {
        const explain = `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ${sql}`;
        const plan = await service.db.query<{ 'QUERY PLAN': string }[]>(explain, values);
        rows.push(...plan.map((line) => line['QUERY PLAN']));
        return [];
      },
    } as unknown as EntityManager;
    await new FanOut(service.config, explaining, service.app.get(Clock)).advance(500);
    const month = (await chainEnd()).day.slice(0, 7).replace('-', '_');
    const read = rows.filter((line) => /Scan.* on event_chain_\d/.test(line) && !/never executed/.test(line));
    expect(read.some((line) => line.includes(`event_chain_${month}`))).toBe(true);
    for (const line of read) expect(/event_chain_(\d{4}_\d{2})/.exec(line)![1]! >= month).toBe(true);
  });

  it('takes smaller stretches while PostgreSQL has no time for large ones', async () => {
    const webhook = await newWebhook(service, NOWHERE);
    const sizes: number[] = [];
    const advance = fanOut.advance.bind(fanOut);
    let patience = 100;
    fanOut.advance = async (limit) => {
      sizes.push(limit);
      if (limit > patience) throw new Error('canceling statement due to statement timeout');
      return advance(limit);
    };
    const loop = new FanOutLoop(fanOut, true);
    await happen(service, 130);
    loop.onApplicationBootstrap();
    await eventually(
      async () => (await deliveriesOf(service.db, webhook.id)).length === 130,
      'all deliveries',
    );
    expect(sizes.slice(0, 3)).toEqual([250, 125, 62]);
    expect(Math.max(...sizes.slice(3))).toBeLessThanOrEqual(124);
    patience = 500;
    await loop.beforeApplicationShutdown();
    fanOut.advance = advance;
  });
});
