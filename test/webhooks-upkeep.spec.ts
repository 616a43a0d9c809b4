import { EntityManager } from 'typeorm';
import { Caller } from '../src/common/caller';
import { Clock } from '../src/common/clock';
import { newId } from '../src/common/ids';
import { Events } from '../src/infra/events/events';
import { DeliveryUpkeep } from '../src/webhooks/sending/delivery-upkeep';
import { Lanes } from '../src/webhooks/sending/lanes.service';
import { SendingDatabase } from '../src/webhooks/sending/sending-database';
import { eventually, startService, TestService } from './support/app';
import { Scrape } from './support/prometheus-text';
import {
  deliveriesOf,
  happen,
  laneOf,
  newWebhook,
  Receiver,
  says,
  startReceiver,
} from './support/webhook-world';

const DAY = 86_400_000;

describe('Deliveries of webhooks, as they rest', () => {
  let service: TestService;
  let receiver: Receiver;

  beforeAll(async () => {
    service = await startService({ WEBHOOK_PRIVATE_NETWORKS: '127.0.0.0/8', WEBHOOK_TIMEOUT_SECONDS: '1' });
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    receiver = await startReceiver();
  });
  afterEach(async () => {
    await receiver.stop();
    await service.db.query('DELETE FROM webhooks');
  });

  const now = () => service.app.get(Clock).now();
  /** So many rows that nobody has sent. */
  const insert = (
    webhookId: string,
    count: number,
    status: string,
    more: { days?: number; due?: number } = {},
  ) =>
    service.db.query(
      `INSERT INTO webhook_deliveries
         (id, webhook_id, event_id, "timestamp", event_type, position, status, due_at, give_up_at, created_at, finished_at)
       SELECT gen_random_uuid(), $1, gen_random_uuid(), $4, 'user.updated', n, $3, $5, $6, $4,
         CASE WHEN $3 <> 'pending' THEN $4::timestamptz END
       FROM generate_series(1, $2::int) n`,
      [
        webhookId,
        count,
        status,
        new Date(now() - (more.days ?? 0) * DAY),
        new Date(now() + (more.due ?? 0)),
        new Date(now() + DAY - (more.days ?? 0) * DAY),
      ],
    );
  const counts = async (webhookId: string): Promise<Record<string, number>> => {
    const rows = await service.db.query<{ status: string; count: number }[]>(
      'SELECT status, count(*)::int FROM webhook_deliveries WHERE webhook_id = $1 GROUP BY 1',
      [webhookId],
    );
    return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
  };

  it('are kept for three days when they have arrived, and for thirty when they are dead', async () => {
    const { id } = await newWebhook(service, receiver.url);
    await service.db.query('UPDATE webhooks SET enabled = false WHERE id = $1', [id]);
    for (const [status, days, count] of [
      ['delivered', 2.9, 10],
      ['delivered', 3.1, 1_200],
      ['dead', 29.9, 20],
      ['dead', 30.1, 700],
      ['pending', 0, 5],
      ['pending', 40, 600],
    ] as const)
      await insert(id, count, status, { days });
    const upkeep = service.app.get(DeliveryUpkeep);
    // Several processes at once.
    await Promise.all([upkeep.run(), upkeep.run(), upkeep.run()]);
    await upkeep.run();
    // What waited for a webhook that is disabled was given up: it is dead from today on.
    expect(await counts(id)).toEqual({ delivered: 10, dead: 20 + 600, pending: 5 });
    const stopped = new AbortController();
    stopped.abort();
    service.advance(4 * DAY);
    await upkeep.run(stopped.signal);
    expect((await counts(id)).delivered).toBe(10);
  });

  it('are sent with what is kept of a person, and without it when that has been erased', async () => {
    const webhook = await newWebhook(service, receiver.url);
    const userId = newId();
    const caller: Caller = {
      requestId: newId(),
      ip: '192.0.2.77',
      userAgent: 'agent-canary',
      userId,
      permissions: new Set(),
    };
    const record = () =>
      service.app.get(Events).record(service.db.manager, caller, {
        type: 'user.updated',
        subject: `user:${userId}`,
        data: { fields: ['name'] },
      });
    receiver.answer(says(500));
    await record();
    await eventually(async () => (await laneOf(service.db, webhook.id)).failing_since !== null, 'a failure');
    expect(receiver.received[0]!.body.metadata).toMatchObject({
      ip: '192.0.2.77',
      user_agent: 'agent-canary',
    });
    await service.db.query('DELETE FROM event_personal_data WHERE user_id = $1', [userId]);
    receiver.answer((response) => response.writeHead(200).end());
    service.advance(10_000);
    await eventually(async () => (await counts(webhook.id)).delivered === 1, 'the delivery');
    const last = receiver.received.at(-1)!;
    expect(last.id).toBe(receiver.received[0]!.id);
    expect(last.body.metadata).toEqual({ request_id: caller.requestId });
    expect(last.text).not.toMatch(/192\.0\.2\.77|canary/);
  });

  it('are dead where their event is not kept any more', async () => {
    const { id } = await newWebhook(service, receiver.url);
    await insert(id, 3, 'pending');
    await eventually(async () => (await counts(id)).dead === 3, 'the end of all three');
    for (const one of await deliveriesOf(service.db, id))
      expect(one).toMatchObject({ attempts: 0, last_error: 'the event is not kept any more' });
    expect(receiver.received).toEqual([]);
    expect(await laneOf(service.db, id)).toMatchObject({ failures: 0, failing_since: null });
  });

  it('are found in the order of the chain without sorting what waits, however much that is', async () => {
    const { id } = await newWebhook(service, receiver.url);
    await service.db.query('UPDATE webhooks SET rest_until = $2 WHERE id = $1', [id, new Date(now() + DAY)]);
    await insert(id, 50_000, 'pending');
    await service.db.query('ANALYZE webhook_deliveries');
    const plan: string[] = [];
    const explaining = {
      query: async (sql: string, values: unknown[]) => {
        const rows = await service.db.query<{ 'QUERY PLAN': string }[]>(
          `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ${sql}`,
          values,
        );
        plan.push(...rows.map((row) => row['QUERY PLAN']));
        return [];
      },
    } as unknown as EntityManager;
    const lanes = new Lanes(service.config, new SendingDatabase(explaining), service.app.get(Clock));
    const claimId = newId();
    await service.db.query('UPDATE webhooks SET sender_id = $2 WHERE id = $1', [id, claimId]);
    await lanes.next({ id, claimId, failures: 0, claimedUntil: 0, heldUntil: 'now' }, 20);
    const text = plan.join('\n');
    expect(text).toContain('Index Scan using webhook_deliveries_order');
    expect(text).not.toMatch(/Seq Scan on webhook_deliveries|rows=50000/);
    const took = Number(/Execution Time: ([\d.]+) ms/.exec(text)![1]);
    process.stdout.write(`20 of 50,000 that are due: ${took} ms\n`);
    expect(took).toBeLessThan(200);
  });

  it('are told in numbers', async () => {
    const failing = await newWebhook(service, receiver.url, ['user.deleted']);
    const resting = await newWebhook(service, receiver.url, ['user.deleted']);
    await service.db.query(`UPDATE webhooks SET failing_since = now() WHERE id = $1`, [failing.id]);
    await service.db.query(`UPDATE webhooks SET rest_until = $2 WHERE id = $1`, [
      resting.id,
      new Date(now() + DAY),
    ]);
    await insert(resting.id, 7, 'pending', { due: -60_000 });
    await insert(resting.id, 3, 'dead');
    const scrape = await Scrape.of(service);
    expect(scrape.value('user_service_webhook_backlog', { status: 'pending' })).toBe(7);
    expect(scrape.value('user_service_webhook_backlog', { status: 'dead' })).toBe(3);
    expect(scrape.value('user_service_webhooks_failing')).toBe(1);
    // Whose receiver rests is not late because of us.
    expect(scrape.value('user_service_webhook_lag_seconds')).toBe(0);
    const sent = scrape.value('user_service_webhook_deliveries_total', { result: 'delivered' });

    await newWebhook(service, receiver.url);
    await happen(service, 3);
    await eventually(async () => receiver.received.length === 3, 'three events');
    await eventually(
      async () =>
        (await Scrape.of(service)).value('user_service_webhook_deliveries_total', { result: 'delivered' }) ===
        sent + 3,
      'the count',
    );
    expect((await Scrape.of(service)).value('user_service_webhook_fan_out_pending')).toBe(0);
    expect((await Scrape.of(service)).value('user_service_webhook_duration_seconds_count')).toBeGreaterThan(
      2,
    );
  });
});
