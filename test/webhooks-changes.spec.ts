import { EntityManager } from 'typeorm';
import { Clock } from '../src/common/clock';
import { newId } from '../src/common/ids';
import { FanOutLoop } from '../src/webhooks/fan-out/fan-out-loop';
import { DeliveryResults } from '../src/webhooks/sending/delivery-results.service';
import { Lane, Lanes } from '../src/webhooks/sending/lanes.service';
import { SendFailure } from '../src/webhooks/sending/send-failure';
import { eventually, startService, TestService } from './support/app';
import { waitingForLocks } from './support/authority';
import {
  deliveriesOf,
  DeliveryRow,
  happen,
  laneOf,
  newWebhook,
  NewWebhook,
  ok,
  Received,
  Receiver,
  says,
  startReceiver,
} from './support/webhook-world';

const HOUR = 3_600_000;

describe('Webhooks, of which something else is true by now', () => {
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
  const counts = async ({ id }: NewWebhook): Promise<Record<string, number>> => {
    const all = await deliveriesOf(service.db, id);
    return Object.fromEntries(
      ['pending', 'delivered', 'dead'].map((status) => [
        status,
        all.filter((one) => one.status === status).length,
      ]),
    );
  };
  /** A webhook for which so much has happened, and nothing has been sent for so long. */
  const waiting = async (count: number, restMs: number): Promise<[NewWebhook, string[]]> => {
    const webhook = await newWebhook(service, receiver.url);
    await service.db.query('UPDATE webhooks SET rest_until = $2 WHERE id = $1', [
      webhook.id,
      new Date(now() + restMs),
    ]);
    const ids = await happen(service, count);
    await eventually(
      async () => (await deliveriesOf(service.db, webhook.id)).length === count,
      'the fan-out',
    );
    return [webhook, ids];
  };

  it('are sent what was pending when they are enabled again, the only one there is', async () => {
    const [webhook, ids] = await waiting(3, HOUR);
    await service.db.query('UPDATE webhooks SET enabled = false, rest_until = NULL WHERE id = $1', [
      webhook.id,
    ]);
    // Until senders know that nobody wants anything.
    await eventually(async () => !service.app.get(FanOutLoop).isWanted, 'nobody to look for deliveries');
    expect(await counts(webhook)).toEqual({ pending: 3, delivered: 0, dead: 0 });
    await service.db.query('UPDATE webhooks SET enabled = true WHERE id = $1', [webhook.id]);
    await eventually(async () => (await counts(webhook)).delivered === 3, 'all of them');
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(ids.length);
  });

  it('are sent what waited for a process of ours for longer than a day, each at least once', async () => {
    const [webhook, [bad]] = await waiting(30, 24.5 * HOUR);
    receiver.answer((response, received, request) =>
      (received.id === bad ? says(500) : ok)(response, received, request),
    );
    service.advance(25 * HOUR);
    await eventually(async () => (await counts(webhook)).pending === 0, 'the end of all');
    // It was not the receiver who was away: that one event fails says nothing of the others.
    expect(await counts(webhook)).toEqual({ pending: 0, delivered: 29, dead: 1 });
  });

  it('are failing while their secret cannot be opened, and what waits for it is dead after a day', async () => {
    const [webhook] = await waiting(3, HOUR);
    await service.db.query(`UPDATE webhooks SET wrapped_secret = '\\x00' WHERE id = $1`, [webhook.id]);
    service.advance(2 * HOUR);
    await eventually(
      async () => (await laneOf(service.db, webhook.id)).failing_since !== null,
      'the webhook to be failing',
    );
    expect(await counts(webhook)).toEqual({ pending: 3, delivered: 0, dead: 0 });
    service.advance(25 * HOUR);
    await eventually(async () => (await counts(webhook)).dead === 3, 'the end of all three');
    expect(receiver.received).toEqual([]);
  });

  it.each<[string, string]>([
    ['disabled', 'UPDATE webhooks SET enabled = false'],
    ['deleted', 'UPDATE webhooks SET enabled = false, deleted_at = now()'],
    ['removed', 'DELETE FROM webhooks'],
    ['moved', `UPDATE webhooks SET url = replace(url, '/events', '/moved')`],
  ])('are sent nothing more but what is under way when they are %s', async (_what, change) => {
    const [webhook] = await waiting(20, HOUR);
    let changed: Promise<unknown> | undefined;
    const paths: string[] = [];
    const answer = async (response: Parameters<typeof ok>[0], received: Received, path: string) => {
      paths.push(path);
      await (changed ??= service.db.query(`${change} WHERE id = $1`, [webhook.id]));
      response.writeHead(204).end();
    };
    receiver.answer((response, received, request) => answer(response, received, request.url!));
    service.advance(2 * HOUR);
    await eventually(() => Promise.resolve(paths.length > 0), 'the first request');
    await changed;
    if (change.includes('moved'))
      await eventually(async () => (await counts(webhook)).delivered === 20, 'all');
    else await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(paths.filter((path) => path.startsWith('/events')).length).toBeLessThanOrEqual(4);
  });

  it('keep what is answered 410 when somebody else has disabled them already, and send it when they are back', async () => {
    const webhook = await newWebhook(service, receiver.url);
    receiver.answer(async (response) => {
      await service.db.query('UPDATE webhooks SET enabled = false, updated_at = now() WHERE id = $1', [
        webhook.id,
      ]);
      response.writeHead(410).end();
    });
    await happen(service);
    const delivery = await eventually(async () => {
      const [one] = await deliveriesOf(service.db, webhook.id);
      return one?.attempts === 1 && one;
    }, 'one attempt');
    expect(delivery).toMatchObject({ status: 'pending', last_status: 410, last_error: 'answered 410' });
    // It was not the receiver that disabled it.
    expect(
      await service.db.query(`SELECT FROM events WHERE subject = $1`, [`webhook:${webhook.id}`]),
    ).toEqual([]);

    receiver.answer(ok);
    await service.db.query('UPDATE webhooks SET enabled = true WHERE id = $1', [webhook.id]);
    service.advance(6_000);
    await eventually(async () => (await counts(webhook)).delivered === 1, 'the delivery');
  });

  it('are sent at the address they have by now what the former one did not take in a day', async () => {
    const [webhook] = await waiting(1, 24.5 * HOUR);
    receiver.answer(async (response, received, request) => {
      if (request.url!.endsWith('&moved')) return void ok(response, received, request);
      await service.db.query(`UPDATE webhooks SET url = url || '&moved' WHERE id = $1`, [webhook.id]);
      response.writeHead(500).end();
    });
    service.advance(25 * HOUR);
    await eventually(async () => (await counts(webhook)).pending === 0, 'the end of it');
    expect(await counts(webhook)).toEqual({ pending: 0, delivered: 1, dead: 0 });
  });

  it('give up every event that was answered 410 at once, and no other', async () => {
    const [webhook] = await waiting(10, HOUR);
    const gone: (() => void)[] = [];
    receiver.answer((response) => gone.push(() => response.writeHead(410).end()));
    service.advance(2 * HOUR);
    await eventually(() => Promise.resolve(gone.length === 4), 'all four that are under way');
    for (const answer of gone) answer();
    await eventually(async () => (await counts(webhook)).dead === 4, 'the end of all four');
    await eventually(async () => (await laneOf(service.db, webhook.id)).sender_id === null, 'the lane');
    expect(await counts(webhook)).toEqual({ pending: 6, delivered: 0, dead: 4 });
    for (const one of (await deliveriesOf(service.db, webhook.id)).slice(0, 4))
      expect(one).toMatchObject({ attempts: 1, last_error: 'answered 410: the webhook is disabled' });
  });

  describe("and their lane is somebody else's,", () => {
    const LEASE_MS = 6_000;
    let lane: Lane;
    beforeEach(async () => {
      const { id } = await newWebhook(service, receiver.url);
      lane = {
        id,
        claimId: newId(),
        failures: 0,
        claimedUntil: performance.now() + LEASE_MS,
        heldUntil: '',
      };
      lane.heldUntil = await held(lane.claimId);
    });

    /** @returns until when. */
    const held = async (claimId: string, db: EntityManager = service.db.manager): Promise<string> => {
      const [[row]] = await db.query<[[{ until: string }], number]>(
        `UPDATE webhooks SET sender_id = $2, sender_until = clock_timestamp() + interval '6 seconds', rest_until = NULL
         WHERE id = $1 RETURNING sender_until::text AS until`,
        [lane.id, claimId],
      );
      return row.until;
    };
    const disown = (db: EntityManager = service.db.manager) =>
      db.query('UPDATE webhooks SET sender_id = NULL WHERE id = $1', [lane.id]);
    const isTaken = async (): Promise<boolean> => {
      const [row] = await service.db.query<{ taken: boolean }[]>(
        'SELECT sender_until IS NOT NULL AS taken FROM webhooks WHERE id = $1',
        [lane.id],
      );
      return row!.taken;
    };

    it.each<[string, (lanes: Lanes) => Promise<unknown>]>([
      ['released', (lanes) => lanes.release(lane)],
      ['released for a while', (lanes) => lanes.release(lane, 1_000)],
      ['left to rest', (lanes) => lanes.rest(lane, { arrived: false })],
    ])('are not let go of by whoever had %s it already', async (_what, letGo) => {
      const lanes = service.app.get(Lanes);
      await letGo(lanes);
      expect(await isTaken()).toBe(false);
      // Another one has it, and is disowned.
      await held(newId());
      await disown();
      await lanes.release(lane);
      expect(await isTaken()).toBe(true);
    });

    it('are not let go of by whoever had it too long ago, and asks for more', async () => {
      const lanes = service.app.get(Lanes);
      lane.claimedUntil = performance.now() - 1;
      await held(newId());
      await disown();
      expect(await lanes.next(lane, 1)).toEqual([]);
      await lanes.release(lane);
      await lanes.rest(lane, { arrived: false });
      expect(await isTaken()).toBe(true);
    });

    it('are not let go of by whoever waits for the database until it is so', async () => {
      const runner = service.db.createQueryRunner();
      await runner.startTransaction();
      await disown(runner.manager);
      const release = service.app.get(Lanes).release(lane);
      await waitingForLocks(service, 1);
      await held(newId(), runner.manager);
      await disown(runner.manager);
      await runner.commitTransaction();
      await runner.release();
      await release;
      expect(await isTaken()).toBe(true);
    });

    it('are let go of by whoever was disowned having asked for more', async () => {
      const lanes = service.app.get(Lanes);
      expect(await lanes.next(lane, 1)).toEqual([]);
      await disown();
      expect(await lanes.next(lane, 1)).toEqual([]);
      await lanes.release(lane);
      expect(await isTaken()).toBe(false);
    });

    it.each<[string, (lanes: Lanes) => Promise<unknown>]>([
      ['releases', (lanes) => lanes.release(lane, 60_000)],
      ['would have left', (lanes) => lanes.rest(lane, { arrived: false })],
    ])('are free, and do not rest, when whoever was disowned %s it', async (_what, letGo) => {
      await disown();
      await letGo(service.app.get(Lanes));
      expect(await isTaken()).toBe(false);
      expect(await laneOf(service.db, lane.id)).toMatchObject({ failures: 0, rest_until: null });
    });

    it('are not disabled by a 410 that the one before was answered, and owe that event at once', async () => {
      // So that nobody sends it meanwhile.
      await held(newId());
      await happen(service);
      const [{ id, attempts }] = (await eventually(async () => {
        const all = await deliveriesOf(service.db, lane.id);
        return all.length === 1 && all;
      }, 'the delivery')) as [DeliveryRow];
      const tried = { id, attempts, url: receiver.url, claimId: lane.claimId };
      await service.app.get(DeliveryResults).gone(lane.id, tried, new SendFailure('answered 410', 410));
      expect((await laneOf(service.db, lane.id)).enabled).toBe(true);
      const [owed] = await deliveriesOf(service.db, lane.id);
      expect(owed).toMatchObject({ status: 'pending', attempts: 1, last_status: 410 });
      expect(owed!.due_at.getTime()).toBeLessThanOrEqual(now());
    });
  });
});
