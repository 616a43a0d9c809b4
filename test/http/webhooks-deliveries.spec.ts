import { newId } from '../../src/common/ids';
import { eventually, startService, TestService } from '../support/app';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { Receiver, says, startReceiver, verified } from '../support/webhook-world';
import { addDeliveries, WebhookAdministration, webhookEvents } from '../support/webhooks';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const HOUR = 3_600_000;

interface Item {
  delivery_id: string;
  event_id: string;
  status: string;
}

describe('Deliveries of a webhook', () => {
  let service: TestService;
  let receiver: Receiver;
  let admin: SignedIn;
  let hooks: WebhookAdministration;
  beforeAll(async () => {
    service = await startService({
      WEBHOOK_PRIVATE_NETWORKS: '127.0.0.0/8',
      WEBHOOK_TIMEOUT_SECONDS: '1',
      WEBHOOK_RETRY_HOURS: '6',
    });
    receiver = await startReceiver();
    admin = await newAdministrator(service);
    hooks = new WebhookAdministration(service, admin);
  });
  afterAll(async () => {
    await service.stop();
    await receiver.stop();
  });
  beforeEach(async () => {
    await service.db.query('DELETE FROM webhooks');
    receiver.received.length = 0;
    receiver.answer(says(204));
  });

  /** One of which nothing is sent by itself. */
  const quiet = async (): Promise<string> => {
    const { id } = await hooks.make({ event_types: ['webhook.deleted'] });
    await hooks.update(id, { enabled: false }).expect(200);
    return id;
  };
  const rowOf = async (id: string): Promise<Record<string, unknown>> => {
    const [row] = await service.db.query<Record<string, unknown>[]>(
      'SELECT * FROM webhook_deliveries WHERE id = $1',
      [id],
    );
    return row!;
  };

  describe('are listed', () => {
    it('with all that is known of each, the newest event first', async () => {
      const id = await quiet();
      const [first, second] = await addDeliveries(service, id, 'dead', 2);
      const { body } = await hooks.deliveries(id).expect(200);
      expect(body.items.map((item: Item) => item.delivery_id)).toEqual([second, first]);
      expect(body.items[0]).toEqual({
        delivery_id: second,
        event_id: (await rowOf(second!)).event_id,
        event_type: 'user.updated',
        position: expect.any(Number),
        status: 'dead',
        attempts: 7,
        due_at: expect.stringMatching(TIME),
        give_up_at: expect.stringMatching(TIME),
        last_status: 500,
        last_error: 'answered 500',
        created_at: expect.stringMatching(TIME),
        finished_at: expect.stringMatching(TIME),
      });
      expect(body).toMatchObject({ total: 2, total_is_exact: true, limit: 50, offset: 0, has_more: false });
    });

    it('by what became of them, in pages, and of this webhook alone', async () => {
      const [id, other] = [await quiet(), await quiet()];
      const [dead, delivered, pending] = [
        await addDeliveries(service, id, 'dead', 3),
        await addDeliveries(service, id, 'delivered', 2),
        await addDeliveries(service, id, 'pending', 4),
      ];
      await addDeliveries(service, other, 'dead', 5);
      const ids = async (query: string): Promise<string[]> =>
        (await hooks.deliveries(id, query).expect(200)).body.items.map((item: Item) => item.delivery_id);
      expect(await ids('?status=dead')).toEqual([...dead].reverse());
      expect(await ids('?status=delivered')).toEqual([...delivered].reverse());
      expect(await ids('?status=pending')).toEqual([...pending].reverse());
      expect(await ids('')).toEqual([...dead, ...delivered, ...pending].reverse());
      expect(await ids('?status=pending&limit=2&offset=1')).toEqual([pending[2], pending[1]]);
      const { body } = await hooks.deliveries(id, '?status=pending&limit=2&offset=1').expect(200);
      expect(body).toMatchObject({ total: 4, limit: 2, offset: 1, has_more: true });
    });

    it('and counted up to 10,000', async () => {
      const id = await quiet();
      await addDeliveries(service, id, 'dead', 10_050);
      const page = async (query: string): Promise<Record<string, unknown>> =>
        (await hooks.deliveries(id, query).expect(200)).body;
      expect(await page('?limit=1')).toMatchObject({ total: 10_000, total_is_exact: false, has_more: true });
      expect(await page('?status=dead&limit=200&offset=10000')).toMatchObject({
        total: 10_000,
        total_is_exact: false,
        has_more: false,
      });
      expect(await page('?status=pending')).toMatchObject({ items: [], total: 0, total_is_exact: true });
    });

    it.each([
      ['status', '?status=failed'],
      ['status', '?status='],
      ['status', '?status=dead&status=pending'],
      ['limit', '?limit=201'],
      ['offset', '?offset=10001'],
    ])('not with a wrong %s: %s', async (field, query) => {
      await expectInvalid(hooks.deliveries(await quiet(), query), field);
    });
  });

  describe('that are dead', () => {
    it('are replayed one by one: as new, with all the time they had at first', async () => {
      const id = await quiet();
      const [one, other] = await addDeliveries(service, id, 'dead', 2);
      await service.db.query(`UPDATE webhooks SET rest_until = now() + interval '1 hour'`);
      const before = Date.now();
      const { body } = await hooks.replay(id, one!).expect(200);
      expect(body).toMatchObject({
        delivery_id: one,
        status: 'pending',
        attempts: 0,
        last_status: 500,
        last_error: 'answered 500',
        finished_at: null,
      });
      expect(Date.parse(body.due_at) - before).toBeLessThan(5_000);
      expect(Date.parse(body.give_up_at) - Date.parse(body.due_at)).toBe(6 * HOUR);
      expect(await rowOf(other!)).toMatchObject({ status: 'dead', attempts: 7 });
      expect(await service.db.query('SELECT rest_until FROM webhooks')).toEqual([{ rest_until: null }]);
    });

    it('are sent again, under the same id, when they are replayed', async () => {
      const { id, secret } = await hooks.make({ url: receiver.url, event_types: ['user.registered'] });
      receiver.answer(says(500));
      await newSignedIn(service);
      const { body } = await eventually(async () => {
        const reply = await hooks.deliveries(id).expect(200);
        return reply.body.items[0]?.attempts > 0 && reply;
      }, 'a failed delivery');
      const { delivery_id: deliveryId, event_id: eventId } = body.items[0];
      await service.db.query(
        `UPDATE webhook_deliveries SET status = 'dead', finished_at = now() WHERE id = $1`,
        [deliveryId],
      );
      receiver.answer(says(204));
      receiver.received.length = 0;
      await hooks.replay(id, deliveryId).expect(200);
      const received = await eventually(() => Promise.resolve(receiver.received[0]), 'the delivery');
      expect(received.id).toBe(eventId);
      expect(verified(received, { secret })).toMatchObject({
        event_id: eventId,
        event_type: 'user.registered',
      });
      await eventually(
        async () => (await hooks.one(id).expect(200)).body.last_delivery?.event_id === eventId,
        'the delivery to be on record',
      );
      expect((await hooks.deliveries(id).expect(200)).body.items).toMatchObject([
        { status: 'delivered', attempts: 1, last_status: 204, last_error: null },
      ]);
    });

    it('are replayed all at once, the oldest 1,000 of them, and nothing else', async () => {
      const [id, other] = [await quiet(), await quiet()];
      const dead = await addDeliveries(service, id, 'dead', 1_003);
      await addDeliveries(service, id, 'delivered', 2);
      await addDeliveries(service, other, 'dead', 2);
      const began = performance.now();
      expect((await hooks.replayAll(id).expect(200)).body).toEqual({ replayed: 1_000, has_more: true });
      expect(performance.now() - began).toBeLessThan(1_000);
      const left = await hooks.deliveries(id, '?status=dead').expect(200);
      expect(left.body.items.map((item: Item) => item.delivery_id)).toEqual(dead.slice(-3).reverse());
      expect((await hooks.replayAll(id).expect(200)).body).toEqual({ replayed: 3, has_more: false });
      expect((await hooks.replayAll(id).expect(200)).body).toEqual({ replayed: 0, has_more: false });
      const counts = await service.db.query(
        `SELECT webhook_id = $1 AS mine, status, count(*)::int FROM webhook_deliveries GROUP BY 1, 2 ORDER BY 1, 2`,
        [id],
      );
      expect(counts).toEqual([
        { mine: false, status: 'dead', count: 2 },
        { mine: true, status: 'delivered', count: 2 },
        { mine: true, status: 'pending', count: 1_003 },
      ]);
    });

    it('are the only ones that are: what arrived, or waits, is a conflict', async () => {
      const id = await quiet();
      for (const status of ['pending', 'delivered'] as const) {
        const [delivery] = await addDeliveries(service, id, status);
        const before = await rowOf(delivery!);
        await expectProblem(hooks.replay(id, delivery!), 409, 'delivery_not_dead');
        expect(await rowOf(delivery!)).toEqual(before);
      }
    });

    it('are not replayed when their event was dropped: that is said, and nobody asks for ever', async () => {
      const id = await quiet();
      const [dropped] = await addDeliveries(service, id, 'dead', 2);
      const { id: other } = await hooks.make({ event_types: ['webhook.deleted'] });
      // The events of these are of January 2024.
      await service.db.query(`UPDATE audit_retention SET dropped_before = '2024-02-01'`);
      try {
        await expectProblem(hooks.replay(id, dropped!), 409, 'event_not_kept');
        expect(await rowOf(dropped!)).toMatchObject({ status: 'dead', attempts: 7 });
        await service.db.query(
          `INSERT INTO webhook_deliveries (id, webhook_id, event_id, "timestamp", event_type, position, status, due_at, give_up_at, created_at)
           SELECT gen_random_uuid(), $1, gen_random_uuid(), '2024-02-01T00:00:00Z', 'user.updated', 1, 'dead', now(), now(), now()`,
          [id],
        );
        expect((await hooks.replayAll(id).expect(200)).body).toEqual({ replayed: 1, has_more: false });
        expect((await hooks.replayAll(id).expect(200)).body).toEqual({ replayed: 0, has_more: false });
        expect((await hooks.replayAll(other).expect(200)).body).toEqual({ replayed: 0, has_more: false });
      } finally {
        await service.db.query(`UPDATE audit_retention SET dropped_before = NULL`);
      }
      await hooks.replay(id, dropped!).expect(200);
    });

    it('are not found under another webhook, or where there are none', async () => {
      const [id, other] = [await quiet(), await quiet()];
      const [delivery] = await addDeliveries(service, id, 'dead');
      await expectProblem(hooks.replay(other, delivery!), 404, 'not_found');
      await expectProblem(hooks.replay(id, newId()), 404, 'not_found');
      await expectProblem(hooks.replay(newId(), delivery!), 404, 'not_found');
      expect(await rowOf(delivery!)).toMatchObject({ status: 'dead' });
      for (const unknown of [newId(), 'me', '%00']) {
        await expectProblem(hooks.deliveries(unknown), 404, 'not_found');
        await expectProblem(hooks.replayAll(unknown), 404, 'not_found');
      }
    });

    it('are replayed once, of twenty who ask at once', async () => {
      const id = await quiet();
      const [delivery] = await addDeliveries(service, id, 'dead');
      const replies = await Promise.all(Array.from({ length: 20 }, () => hooks.replay(id, delivery!)));
      const codes = replies.map(({ status, body }) => [status, body.code]);
      expect(codes.filter(([status]) => status === 200)).toHaveLength(1);
      expect(codes.filter(([, code]) => code === 'delivery_not_dead')).toHaveLength(19);
      await addDeliveries(service, id, 'dead', 50);
      const all = await Promise.all(Array.from({ length: 20 }, () => hooks.replayAll(id).expect(200)));
      expect(all.reduce((sum, { body }) => sum + body.replayed, 0)).toBe(50);
    });
  });

  describe('of a test', () => {
    it('are signed requests that are no events, and leave nothing behind', async () => {
      const { id, secret } = await hooks.make({ url: receiver.url, event_types: ['webhook.deleted'] });
      const { body } = await hooks.test(id).expect(200);
      expect(body).toEqual({ status: 204, error: null, milliseconds: expect.any(Number) });
      expect(receiver.received).toHaveLength(1);
      expect(verified(receiver.received[0]!, { secret })).toMatchObject({
        event_type: 'webhook.test',
        subject: `webhook:${id}`,
        chain_position: null,
      });
      expect(await service.db.query('SELECT FROM webhook_deliveries')).toEqual([]);
      expect(await webhookEvents(service, id)).toHaveLength(1);
      expect((await hooks.one(id).expect(200)).body).toMatchObject({ status: 'ok', last_delivery: null });
    });

    it('go to one that is disabled too, with both secrets after a rotation', async () => {
      const { id, secret } = await hooks.make({ url: receiver.url });
      await hooks.update(id, { enabled: false }).expect(200);
      const rotated = await hooks.rotate(id).expect(200);
      await hooks.test(id).expect(200);
      const received = receiver.received.find(({ body }) => body.event_type === 'webhook.test')!;
      for (const each of [secret, rotated.body.secret]) verified(received, { secret: each });
      expect(() => verified(received, { secret: `whsec_${Buffer.alloc(32).toString('base64')}` })).toThrow();
    });

    it('tell what the receiver answered, and change nothing', async () => {
      const { id } = await hooks.make({ url: receiver.url, event_types: ['webhook.deleted'] });
      for (const status of [301, 410, 500]) {
        receiver.answer(says(status, { Location: 'http://127.0.0.1:1/' }));
        expect((await hooks.test(id).expect(200)).body).toMatchObject({
          status,
          error: `answered ${status}`,
        });
      }
      expect((await hooks.one(id).expect(200)).body).toMatchObject({ enabled: true, status: 'ok' });
    });

    it('tell that nobody answered, within the time that a receiver has', async () => {
      const { id } = await hooks.make({ url: receiver.url, event_types: ['webhook.deleted'] });
      receiver.answer(() => undefined);
      const began = performance.now();
      const { body } = await hooks.test(id).expect(200);
      expect(body).toMatchObject({ status: null, error: expect.stringContaining('no answer within 1 s') });
      expect(performance.now() - began).toBeLessThan(2_500);
      const closed = await startReceiver();
      await closed.stop();
      await hooks.update(id, { url: closed.url }).expect(200);
      const refused = await hooks.test(id).expect(200);
      expect(refused.body).toMatchObject({ status: null, error: 'the connection was refused' });
      expect(refused.text).not.toContain('127.0.0.1');
    });

    it('are not sent for a webhook that is not there', async () => {
      await expectProblem(hooks.test(newId()), 404, 'not_found');
      await expectProblem(hooks.test('me'), 404, 'not_found');
    });
  });
});
