import { Clock } from '../src/common/clock';
import { WebhookSecrets } from '../src/webhooks/webhook-secrets.service';
import { eventually, startService, TestService } from './support/app';
import {
  deliveriesOf,
  happen,
  laneOf,
  newWebhook,
  ok,
  Receiver,
  says,
  signedBy,
  startReceiver,
  verified,
} from './support/webhook-world';

const HOUR = 3_600_000;

describe('Webhooks', () => {
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
  const settled = (webhookId: string, status: string, count = 1) =>
    eventually(async () => {
      const all = await deliveriesOf(service.db, webhookId);
      return all.filter((one) => one.status === status).length >= count && all;
    }, `${count} deliveries ${status}`);
  const tried = (webhookId: string, attempts: number) =>
    eventually(async () => {
      const [delivery] = await deliveriesOf(service.db, webhookId);
      const { sender_id } = await laneOf(service.db, webhookId);
      return delivery && delivery.attempts >= attempts && sender_id === null && delivery;
    }, `${attempts} attempts`);

  it('are sent what happens, signed as Standard Webhooks says', async () => {
    const webhook = await newWebhook(service, receiver.url);
    const [eventId] = await happen(service, 1, 'user:0190a6e5-0000-7000-8000-000000000001');
    const [delivery] = await settled(webhook.id, 'delivered');
    expect(delivery).toMatchObject({ event_id: eventId, attempts: 1, last_status: 204, last_error: null });

    expect(receiver.received).toHaveLength(1);
    const [received] = receiver.received;
    expect(verified(received!, webhook)).toEqual(received!.body);
    const [link] = await service.db.query(
      `SELECT c.position::int, encode(c.hash, 'hex') AS hash, e."timestamp", e.metadata->>'request_id' AS request_id
       FROM event_chain c JOIN events e USING (event_id) WHERE event_id = $1`,
      [eventId],
    );
    expect(received!.body).toEqual({
      event_id: eventId,
      event_type: 'user.updated',
      timestamp: link.timestamp.toISOString(),
      source: 'user_service',
      priority: 'normal',
      subject: 'user:0190a6e5-0000-7000-8000-000000000001',
      actor: 'system',
      resource: null,
      data: { fields: [expect.stringMatching(/^n\d+$/)] },
      metadata: { request_id: link.request_id },
      version: '1',
      chain_position: link.position,
      chain_hash: link.hash,
    });
    expect(received!.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^user_service-webhooks\/\d/),
      'webhook-id': eventId,
      host: `127.0.0.1:${receiver.port}`,
    });
    expect(received!.headers['content-length']).toBe(String(Buffer.byteLength(received!.text)));
  });

  it('are proved by no other secret, and of no other body, id or time', async () => {
    const webhook = await newWebhook(service, receiver.url);
    const other = await newWebhook(service, receiver.url);
    await happen(service);
    await settled(webhook.id, 'delivered');
    await settled(other.id, 'delivered');
    const [own] = receiver.received.filter((one) => {
      try {
        return verified(one, webhook);
      } catch {
        return false;
      }
    });
    expect(() => verified(own!, other)).toThrow('No matching signature');
    expect(() => verified({ ...own!, text: own!.text.replace('system', 'user:1') }, webhook)).toThrow();
    for (const [name, value] of [
      ['webhook-id', '0190a6e5-0000-7000-8000-000000000001'],
      ['webhook-timestamp', String(Number(own!.headers['webhook-timestamp']) - 1)],
    ] as const) {
      expect(() => verified({ ...own!, headers: { ...own!.headers, [name]: value } }, webhook)).toThrow();
    }
  });

  it('hear of the types they ask for, of all where they name none, and of nothing from before', async () => {
    await happen(service, 2);
    await eventually(async () => {
      const [{ left }] = await service.db.query(
        `SELECT (SELECT count(*)::int FROM event_outbox) + chain_position - position AS left FROM event_relay, webhook_fan_out`,
      );
      return Number(left) === 0;
    }, 'the fan-out');
    const all = await newWebhook(service, receiver.url, []);
    const updated = await newWebhook(service, receiver.url, ['user.deleted', 'user.updated']);
    const others = await newWebhook(service, receiver.url, ['user.deleted']);
    const off = await newWebhook(service, receiver.url);
    await service.db.query('UPDATE webhooks SET enabled = false WHERE id = $1', [off.id]);
    const ids = await happen(service, 3);
    for (const { id } of [all, updated]) {
      const made = await settled(id, 'delivered', 3);
      expect(made.map((one) => one.event_id)).toEqual(ids);
      // Ids are UUIDv7, in the order of the chain.
      expect(made.map((one) => one.id)).toEqual(made.map((one) => one.id).sort());
      for (const one of made)
        expect(one.id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
      expect(made[0]!.give_up_at.getTime() - made[0]!.created_at.getTime()).toBe(24 * HOUR);
    }
    for (const { id } of [others, off]) expect(await deliveriesOf(service.db, id)).toEqual([]);
  });

  it('are tried again, later each time, until it works; the event stays the same', async () => {
    receiver.answer(says(500));
    const webhook = await newWebhook(service, receiver.url);
    const [eventId] = await happen(service);
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 4; attempt++) {
      const delivery = await tried(webhook.id, attempt);
      expect(delivery).toMatchObject({ status: 'pending', last_status: 500, last_error: 'answered 500' });
      const wait = delivery.due_at.getTime() - now();
      waits.push(wait);
      expect((await laneOf(service.db, webhook.id)).failures).toBe(attempt);
      service.advance(wait + 1_000);
    }
    for (const [index, wait] of waits.entries()) {
      expect(wait).toBeLessThanOrEqual(5_000 * 2 ** index);
      expect(wait).toBeGreaterThan(5_000 * 2 ** index * 0.75 - 1_500);
    }
    expect((await laneOf(service.db, webhook.id)).failing_since).not.toBeNull();
    receiver.answer(ok);
    await settled(webhook.id, 'delivered');
    await eventually(
      async () => (await laneOf(service.db, webhook.id)).failures === 0,
      'the lane to recover',
    );
    expect(await laneOf(service.db, webhook.id)).toMatchObject({ failing_since: null, rest_until: null });
    expect(new Set(receiver.received.map((one) => one.id))).toEqual(new Set([eventId]));
    expect(new Set(receiver.received.map((one) => one.text)).size).toBe(1);
    expect(receiver.received.length).toBeGreaterThanOrEqual(5);
  });

  it('are a dead letter after a day, and are sent again when that is asked for', async () => {
    receiver.answer(says(503));
    const webhook = await newWebhook(service, receiver.url);
    const [first] = await happen(service);
    await tried(webhook.id, 1);
    await happen(service, 40);
    await eventually(async () => (await deliveriesOf(service.db, webhook.id)).length === 41, 'the fan-out');
    service.advance(25 * HOUR);
    const dead = await settled(webhook.id, 'dead', 41);
    // A dead receiver was left alone: one request told enough, and the others died with it.
    expect(receiver.received.length).toBeLessThan(12);
    expect(dead.every((one) => one.finished_at !== null && one.last_error !== null)).toBe(true);

    receiver.answer(ok);
    receiver.received.length = 0;
    await service.db.query(
      `WITH awake AS (UPDATE webhooks SET rest_until = NULL WHERE id = $1)
       UPDATE webhook_deliveries SET status = 'pending', attempts = 0, due_at = $2, give_up_at = $3, finished_at = NULL
       WHERE webhook_id = $1 AND status = 'dead'`,
      [webhook.id, new Date(now()), new Date(now() + 24 * HOUR)],
    );
    await settled(webhook.id, 'delivered', 41);
    expect(receiver.received[0]!.id).toBe(first);
    expect(receiver.received).toHaveLength(41);
  });

  it('get the oldest events first, a few at a time', async () => {
    receiver.answer(says(500));
    const webhook = await newWebhook(service, receiver.url);
    await happen(service);
    await tried(webhook.id, 1);
    let atOnce = 0;
    let most = 0;
    receiver.answer((response) => {
      most = Math.max(most, ++atOnce);
      setTimeout(() => {
        atOnce--;
        response.writeHead(200).end();
      }, 10);
    });
    await happen(service, 60);
    await eventually(async () => (await deliveriesOf(service.db, webhook.id)).length === 61, 'the fan-out');
    receiver.received.length = 0;
    service.advance(10_000);
    const all = await settled(webhook.id, 'delivered', 61);
    const order = receiver.received.map((one) => all.findIndex((delivery) => delivery.event_id === one.id));
    expect(new Set(order).size).toBe(61);
    // Of those on their way at the same time, one may overtake another.
    for (const [index, place] of order.entries()) expect(Math.abs(place - index)).toBeLessThan(4);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
  });

  it('sign with both secrets while the previous one is good', async () => {
    const webhook = await newWebhook(service, receiver.url);
    const next = await newWebhook(service, receiver.url, ['user.deleted']);
    const made = await service.app.get(WebhookSecrets).make(webhook.id);
    await service.db.query(
      `UPDATE webhooks SET wrapped_previous_secret = wrapped_secret, wrapped_secret = $2, previous_secret_until = $3
       WHERE id = $1`,
      [webhook.id, made.wrapped, new Date(now() + HOUR)],
    );
    await happen(service);
    await eventually(async () => receiver.received.length === 1, 'the event');
    const [both] = receiver.received;
    expect(both!.headers['webhook-signature']).toMatch(/^v1,[\w+/=]{44} v1,[\w+/=]{44}$/);
    for (const secret of [webhook.secret, made.text]) expect(signedBy(both!, secret)).toBe(true);
    expect(signedBy(both!, next.secret)).toBe(false);

    service.advance(2 * HOUR);
    await happen(service);
    await eventually(async () => receiver.received.length === 2, 'the next event');
    expect(receiver.received[1]!.headers['webhook-signature']).toMatch(/^v1,[\w+/=]{44}$/);
    expect(signedBy(receiver.received[1]!, made.text)).toBe(true);
    expect(signedBy(receiver.received[1]!, webhook.secret)).toBe(false);
  });
});
