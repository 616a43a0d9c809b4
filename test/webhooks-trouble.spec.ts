import { Logger, LoggerService } from '@nestjs/common';
import { Clock } from '../src/common/clock';
import { eventually, startService, TestService } from './support/app';
import { startHostileServer } from './support/hostile-server';
import {
  Answering,
  deliveriesOf,
  DeliveryRow,
  happen,
  laneOf,
  newWebhook,
  ok,
  Receiver,
  says,
  startReceiver,
} from './support/webhook-world';

const HOUR = 3_600_000;

describe('Webhooks whose receiver makes trouble', () => {
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
  const firstOf = (webhookId: string, fits: (delivery: DeliveryRow) => boolean, what: string) =>
    eventually(async () => {
      const [delivery] = await deliveriesOf(service.db, webhookId);
      const { sender_id } = await laneOf(service.db, webhookId);
      return delivery && sender_id === null && fits(delivery) && delivery;
    }, what);

  it.each<[string, Answering, number | null, string]>([
    ['refuses', says(400), 400, 'answered 400'],
    ['sends elsewhere', says(302, { Location: 'http://127.0.0.1:1/' }), 302, 'answered 302'],
    ['sends back here', says(308, { Location: '/events' }), 308, 'answered 308'],
    ['says nothing', () => undefined, null, 'no answer within 1 s'],
    [
      'closes',
      (_response, _received, request) => request.socket.destroy(),
      null,
      'the connection was closed',
    ],
    ['drips', (response) => void drip(response.writeHead(200)), null, 'no answer within 1 s'],
  ])('are tried again where it %s', async (_what, answer, status, error) => {
    receiver.answer(answer);
    const webhook = await newWebhook(service, receiver.url);
    const startedAt = performance.now();
    await happen(service);
    const delivery = await firstOf(webhook.id, ({ attempts }) => attempts === 1, 'one attempt');
    expect(delivery).toMatchObject({ status: 'pending', last_status: status, last_error: error });
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(receiver.received).toHaveLength(1);

    receiver.answer(ok);
    service.advance(6_000);
    await firstOf(webhook.id, (one) => one.status === 'delivered', 'the delivery');
  });

  it('count an answer for one as soon as it has said enough', async () => {
    receiver.answer((response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.on('close', () => clearInterval(timer));
    });
    const webhook = await newWebhook(service, receiver.url);
    await happen(service);
    const delivery = await firstOf(webhook.id, (one) => one.status !== 'pending', 'the delivery');
    expect(delivery).toMatchObject({ status: 'delivered', attempts: 1, last_status: 200 });
  });

  it('wait as long as a receiver asks them to, within bounds', async () => {
    for (const [status, header, wait] of [
      [429, '600', 600_000],
      [503, '99999999', HOUR],
      [503, 'rubbish', 5_000],
      [500, '600', 5_000],
    ] as const) {
      const webhook = await newWebhook(service, receiver.url);
      receiver.answer(says(status, { 'Retry-After': header }));
      await happen(service);
      const { due_at } = await firstOf(webhook.id, ({ attempts }) => attempts === 1, 'one attempt');
      expect(due_at.getTime() - now()).toBeLessThanOrEqual(wait);
      expect(due_at.getTime() - now()).toBeGreaterThan(wait * 0.75 - 2_000);
      const { rest_until } = await laneOf(service.db, webhook.id);
      // The whole receiver is left alone, not the one event.
      if (wait > 5_000) expect(rest_until!.getTime() - now()).toBeGreaterThan(wait - 2_000);
      await service.db.query('DELETE FROM webhooks');
    }
  });

  it('are disabled by 410 Gone, which is an event; another address since then is not, and gets what was sent', async () => {
    const webhook = await newWebhook(service, receiver.url);
    // While no webhook is enabled nobody would look.
    await newWebhook(service, receiver.url, ['user.purged']);
    receiver.answer(says(410));
    await happen(service, 3);
    await eventually(
      async () => !(await laneOf(service.db, webhook.id)).enabled,
      'the webhook to be disabled',
    );
    await eventually(async () => (await laneOf(service.db, webhook.id)).sender_id === null, 'the lane');
    const told = await service.db.query(
      `SELECT actor, data FROM events WHERE subject = $1 AND event_type = 'webhook.updated'`,
      [`webhook:${webhook.id}`],
    );
    expect(told).toEqual([{ actor: 'system', data: { webhook_id: webhook.id, fields: ['enabled'] } }]);
    const dead = (await deliveriesOf(service.db, webhook.id)).filter((one) => one.status === 'dead');
    expect(dead.length).toBeGreaterThanOrEqual(1);
    for (const one of dead)
      expect(one).toMatchObject({ last_status: 410, last_error: 'answered 410: the webhook is disabled' });
    const sent = receiver.received.length;
    await happen(service, 2);
    service.advance(2 * HOUR);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(receiver.received).toHaveLength(sent);

    const moved = await newWebhook(service, receiver.url);
    receiver.answer(async (response, received, request) => {
      if (request.url!.endsWith('&moved')) return void ok(response, received, request);
      await service.db.query(`UPDATE webhooks SET url = url || '&moved' WHERE id = $1`, [moved.id]);
      response.writeHead(410).end();
    });
    const [owed] = await happen(service);
    const delivery = await firstOf(moved.id, (one) => one.status !== 'pending', 'the end of it');
    expect(delivery).toMatchObject({ event_id: owed, status: 'delivered', attempts: 2, last_status: 204 });
    expect((await laneOf(service.db, moved.id)).enabled).toBe(true);
  });

  it('are not hammered: of hundreds that are due a failing receiver gets one after each rest', async () => {
    receiver.answer(says(500));
    const webhook = await newWebhook(service, receiver.url);
    await happen(service);
    await firstOf(webhook.id, ({ attempts }) => attempts === 1, 'one attempt');
    await service.db.query(`UPDATE webhooks SET rest_until = $2 WHERE id = $1`, [
      webhook.id,
      new Date(now() + 200_000),
    ]);
    await happen(service, 200);
    await eventually(async () => (await deliveriesOf(service.db, webhook.id)).length === 201, 'the fan-out');
    for (let failures = 2; failures <= 5; failures++) {
      service.advance(300_000);
      const lane = await eventually(async () => {
        const row = await laneOf(service.db, webhook.id);
        return row.failures >= failures && row.sender_id === null && row;
      }, 'a failure');
      expect(receiver.received.length - lane.failures).toBeLessThanOrEqual(1);
      expect(lane.rest_until!.getTime() - lane.failing_since!.getTime()).toBeGreaterThan(
        1_000 * 2 ** (failures - 2),
      );
    }
    expect(receiver.received.length).toBeLessThan(12);
  });

  it('keep nobody else waiting: others get 200 events while one hangs, one drips and one is dead', async () => {
    const hanging = await startHostileServer();
    hanging.answer(() => undefined);
    const dripping = await startHostileServer();
    dripping.answer((socket) => drip(socket));
    const down = await startHostileServer();
    await down.stop();
    const bad = [hanging.url, dripping.url, down.url, 'http://127.0.0.1:9/'];
    const webhooks = await Promise.all(bad.map((url) => newWebhook(service, url)));
    await happen(service, 5);
    await eventually(
      async () => hanging.received.length > 0 && dripping.received.length > 0,
      'both to be busy',
    );
    const good = await newWebhook(service, receiver.url);
    const startedAt = performance.now();
    const ids = await happen(service, 200);
    await eventually(async () => receiver.received.length >= 200, 'all events');
    const took = performance.now() - startedAt;
    expect(new Set(receiver.received.map((one) => one.id))).toEqual(new Set(ids));
    expect(receiver.received).toHaveLength(200);
    process.stdout.write(`200 events beside four bad receivers: ${Math.round(took)} ms\n`);
    expect(took).toBeLessThan(8_000);
    expect((await laneOf(service.db, good.id)).failures).toBe(0);
    for (const { id } of webhooks.slice(0, 3))
      await eventually(async () => (await laneOf(service.db, id)).failing_since !== null, 'a failure');
    await Promise.all([hanging.stop(), dripping.stop()]);
  });

  it('tell neither secrets nor addresses to the log, nor what a receiver answers', async () => {
    const lines: unknown[][] = [];
    const keep = (...what: unknown[]): void => void lines.push(what);
    const logger: LoggerService = { log: keep, warn: keep, error: keep, debug: keep };
    Logger.overrideLogger(logger);
    try {
      const webhook = await newWebhook(service, receiver.url);
      receiver.answer(says(500, { 'X-Canary': 'header-canary' }));
      await happen(service);
      const { last_error } = await firstOf(webhook.id, ({ attempts }) => attempts === 1, 'one attempt');
      await service.db.query(
        `UPDATE webhooks SET url = 'http://127.0.0.1:1/?token=url-canary' WHERE id = $1`,
        [webhook.id],
      );
      service.advance(10_000);
      const second = await firstOf(webhook.id, ({ attempts }) => attempts === 2, 'two attempts');
      await service.db.query(
        `UPDATE webhooks SET wrapped_secret = '\\x00', rest_until = NULL WHERE id = $1`,
        [webhook.id],
      );
      service.advance(30_000);
      await eventually(
        async () => (await laneOf(service.db, webhook.id)).failures === 3,
        'the third failure',
      );
      expect(lines).not.toEqual([]);
      expect(second.last_error).toBe('the connection was refused');
      const text = JSON.stringify([lines, last_error, second.last_error]);
      expect(text).not.toMatch(/canary|127\.0\.0\.1|its-own-business|whsec_/);
      expect(text).not.toContain(webhook.secret.slice(6));
    } finally {
      Logger.overrideLogger(false);
    }
  });
});

function drip(to: { write(text: string): unknown; on(event: 'close', done: () => void): unknown }): void {
  const timer = setInterval(() => to.write('x'), 100);
  to.on('close', () => clearInterval(timer));
}
