import { newId } from '../../src/common/ids';
import { WebhookSecrets } from '../../src/webhooks/webhook-secrets.service';
import { eventually, startService, TestService } from '../support/app';
import { setRoles, waitingForLocks } from '../support/authority';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import {
  Answering,
  deliveriesOf,
  happen,
  laneOf,
  ok,
  Receiver,
  says,
  startReceiver,
} from '../support/webhook-world';
import { addDeliveries, WebhookAdministration, webhookEvents } from '../support/webhooks';

/** Where receivers are at first. */
const HERE = '/events?token=url-canary';

const twenty = <T>(work: (index: number) => PromiseLike<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: 20 }, (_, index) => work(index)));

describe('Webhooks, when several things happen to them at once,', () => {
  let service: TestService;
  let other: TestService;
  let receiver: Receiver;
  let admin: SignedIn;
  let hooks: WebhookAdministration;
  let elsewhere: WebhookAdministration;
  beforeAll(async () => {
    const settings = { WEBHOOK_PRIVATE_NETWORKS: '127.0.0.0/8' };
    service = await startService(settings);
    other = await service.another(settings);
    receiver = await startReceiver();
    admin = await newAdministrator(service);
    hooks = new WebhookAdministration(service, admin);
    elsewhere = new WebhookAdministration(other, admin);
  });
  afterAll(async () => {
    await other.stop();
    await service.stop();
    await receiver.stop();
  });
  beforeEach(async () => {
    await service.db.query('DELETE FROM webhooks');
    receiver.received.length = 0;
    receiver.answer(ok);
  });

  it('are fifty at most: of twenty for whom there is room for five, five are made', async () => {
    await service.db.query(
      `INSERT INTO webhooks (id, url, event_types, enabled, wrapped_secret, since_position, created_by, created_at, updated_at)
       SELECT gen_random_uuid(), 'https://example.com/', '{}', false, '', 0, 'system', now(), now() FROM generate_series(1, 45)`,
    );
    const replies = await twenty((i) =>
      (i % 2 ? hooks : elsewhere).create({ event_types: ['webhook.deleted'] }),
    );
    const made = replies.filter(({ status }) => status === 201);
    expect(made).toHaveLength(5);
    const refused = replies.filter(({ status }) => status !== 201);
    expect(refused.map(({ status, body }) => [status, body.code])).toEqual(
      Array.from({ length: 15 }, () => [409, 'too_many_webhooks']),
    );
    const [{ count }] = await service.db.query('SELECT count(*)::int AS count FROM webhooks');
    expect(count).toBe(50);
    for (const { body } of made)
      expect(await webhookEvents(service, body.webhook.webhook_id)).toHaveLength(1);
  });

  it('keep the secret that the receiver knows: whoever rotates a moment later is told so', async () => {
    const { id, secret } = await hooks.make({ event_types: ['webhook.deleted'] });
    const runner = service.db.createQueryRunner();
    await runner.startTransaction();
    await runner.query('SELECT FROM webhooks WHERE id = $1 FOR NO KEY UPDATE', [id]);
    const both = [hooks.rotate(id).then((it) => it), elsewhere.rotate(id).then((it) => it)];
    await waitingForLocks(service, 2);
    await runner.commitTransaction();
    await runner.release();
    const replies = await Promise.all(both);
    expect(replies.map(({ status, body }) => [status, body.code]).sort()).toEqual([
      [200, undefined],
      [409, 'conflict'],
    ]);
    const winner = replies.find(({ status }) => status === 200)!;
    const { current, previous } = await service.app.get(WebhookSecrets).of(id);
    expect([current, previous!].map((bytes) => `whsec_${bytes.toString('base64')}`)).toEqual([
      winner.body.secret,
      secret,
    ]);
  });

  it('record one event for each rotation of twenty at once that was answered with a secret', async () => {
    const { id } = await hooks.make({ event_types: ['webhook.deleted'] });
    const replies = await twenty((i) => (i % 2 ? hooks : elsewhere).rotate(id));
    const rotated = replies.filter(({ status }) => status === 200);
    expect(rotated.length).toBeGreaterThanOrEqual(1);
    expect(replies.filter(({ status, body }) => status === 409 && body.code === 'conflict')).toHaveLength(
      20 - rotated.length,
    );
    const events = await webhookEvents(service, id);
    expect(events.filter(({ type }) => type === 'webhook.secret_rotated')).toHaveLength(rotated.length);
    const { current } = await service.app.get(WebhookSecrets).of(id);
    expect(rotated.map(({ body }) => body.secret)).toContain(`whsec_${current.toString('base64')}`);
  });

  it('are deleted once, of twenty who ask, and changed by nobody afterwards', async () => {
    const { id } = await hooks.make({ event_types: ['webhook.deleted'] });
    const replies = await twenty((i) =>
      i % 2 ? hooks.remove(id) : elsewhere.update(id, { description: `n${i}` }),
    );
    expect(replies.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(replies.every(({ status }) => [200, 204, 404].includes(status))).toBe(true);
    const types = (await webhookEvents(service, id)).map(({ type }) => type);
    expect(types.at(-1)).toBe('webhook.deleted');
    expect(types.filter((type) => type === 'webhook.deleted')).toHaveLength(1);
    expect(types.filter((type) => type === 'webhook.updated')).toHaveLength(
      replies.filter(({ status }) => status === 200).length,
    );
  });

  it('are gone when they are deleted while something is sent to them, whatever the receiver says then', async () => {
    for (const late of [ok, (response: Parameters<typeof ok>[0]) => response.writeHead(500).end()]) {
      const { id } = await hooks.make({ url: receiver.url, event_types: ['user.updated'] });
      let finish: () => void = () => undefined;
      receiver.answer((response, received, request) => {
        finish = () => late(response, received, request);
      });
      receiver.received.length = 0;
      await happen(service, 3);
      await eventually(() => Promise.resolve(receiver.received.length > 0), 'a request');
      await hooks.remove(id).expect(204);
      finish();
      await happen(service, 2);
      await expectProblem(hooks.one(id), 404, 'not_found');
      await eventually(
        async () => (await service.db.query('SELECT FROM webhooks WHERE id = $1', [id])).length === 0,
        'the webhook to be removed',
      );
      expect(await deliveriesOf(service.db, id)).toEqual([]);
    }
    const errors = await service.db.query(`SELECT FROM webhook_deliveries`);
    expect(errors).toEqual([]);
  });

  it('go in steps where they have more deliveries than one statement may remove', async () => {
    // Of a type that nobody causes: what happened just before may have no link yet, and would come to it.
    const { id } = await hooks.make({ event_types: ['audit.dropped'] });
    await addDeliveries(service, id, 'dead', 12_000);
    const began = performance.now();
    await hooks.remove(id).expect(204);
    expect(performance.now() - began).toBeLessThan(2_000);
    await expectProblem(hooks.one(id), 404, 'not_found');
    const left = await deliveriesOf(service.db, id);
    expect(left).toHaveLength(10_000);
    // What the next instance does that starts, and every one each minute.
    const third = await service.another();
    await eventually(
      async () => (await service.db.query('SELECT FROM webhooks WHERE id = $1', [id])).length === 0,
      'the rest to be removed',
    );
    await third.stop();
    expect(await deliveriesOf(service.db, id)).toEqual([]);
  });

  it('obey nobody who was demoted while the call waited', async () => {
    const { id } = await hooks.make({ event_types: ['webhook.deleted'] });
    const [delivery] = await addDeliveries(service, id, 'dead');
    const before = await webhookEvents(service, id);
    const calls: Record<string, (by: WebhookAdministration) => PromiseLike<unknown>> = {
      update: (by) => expectProblem(by.update(id, { description: 'x' }), 403, 'permission_denied'),
      rotate: (by) => expectProblem(by.rotate(id), 403, 'permission_denied'),
      replay: (by) => expectProblem(by.replay(id, delivery!), 403, 'permission_denied'),
      'replay all': (by) => expectProblem(by.replayAll(id), 403, 'permission_denied'),
      remove: (by) => expectProblem(by.remove(id), 403, 'permission_denied'),
    };
    for (const call of Object.values(calls)) {
      const demoted = await newAdministrator(service);
      const runner = service.db.createQueryRunner();
      await runner.startTransaction();
      await runner.query('SELECT FROM webhooks WHERE id = $1 FOR UPDATE', [id]);
      const reply = Promise.resolve(call(new WebhookAdministration(service, demoted)));
      await waitingForLocks(service, 1);
      await setRoles(service, admin, demoted.userId, ['trader']).expect(200);
      await runner.commitTransaction();
      await runner.release();
      await reply;
    }
    expect(await webhookEvents(service, id)).toEqual(before);
    expect((await hooks.deliveries(id, '?status=dead').expect(200)).body.total).toBe(1);
  });

  it('are not made by somebody who was demoted while the call waited for its turn', async () => {
    const demoted = await newAdministrator(service);
    const runner = service.db.createQueryRunner();
    await runner.startTransaction();
    await runner.query(`SELECT pg_advisory_xact_lock(hashtextextended('webhooks', 0))`);
    const reply = new WebhookAdministration(service, demoted).create().then((it) => it);
    await waitingForLocks(service, 1);
    await setRoles(service, admin, demoted.userId, ['trader']).expect(200);
    await runner.commitTransaction();
    await runner.release();
    expect((await reply).body.code).toBe('permission_denied');
    expect((await hooks.list().expect(200)).body.total).toBe(0);
  });

  it('tell of what happens from their making on, and not of what happens while they are disabled', async () => {
    await newSignedIn(service);
    const { id } = await hooks.make({ url: receiver.url, event_types: ['user.updated'] });
    const subject = `user:${newId()}`;
    const [first] = await happen(service, 1, subject);
    await eventually(() => Promise.resolve(receiver.received.length === 1), 'the first');
    await hooks.update(id, { enabled: false }).expect(200);
    const [missed] = await happen(service, 1, subject);
    await eventually(async () => {
      const [{ passed }] = await service.db.query(
        `SELECT (SELECT position FROM webhook_fan_out) >= (SELECT position FROM event_chain WHERE event_id = $1) AS passed`,
        [missed],
      );
      return passed === true;
    }, 'the fan-out');
    await hooks.update(id, { enabled: true }).expect(200);
    const [last] = await happen(service, 1, subject);
    await eventually(() => Promise.resolve(receiver.received.length === 2), 'the last');
    expect(receiver.received.map((one) => one.id)).toEqual([first, last]);
  });

  /** A webhook that has failed for long, and the request that is to tell whether it still does. Others are answered well. */
  const underWay = async () => {
    const { id } = await hooks.make({ url: receiver.url, event_types: ['user.updated'] });
    await service.db.query('UPDATE webhooks SET failures = 9, failing_since = now() WHERE id = $1', [id]);
    receiver.received.length = 0;
    const asked = new Promise<(late: Answering) => unknown>((resolve) =>
      receiver.answer((...request) => {
        receiver.answer(ok);
        resolve((late) => late(...request));
      }),
    );
    const [eventId] = await happen(service);
    return { id, eventId, finish: await asked };
  };
  const asGoodAsNew = { enabled: true, failures: 0, failing_since: null, rest_until: null };
  /** And forgets it: there is no such event. */
  const replayOne = async (id: string) => {
    const [delivery] = await addDeliveries(service, id, 'dead');
    await hooks.replay(id, delivery!).expect(200);
    await service.db.query('DELETE FROM webhook_deliveries WHERE id = $1', [delivery]);
  };

  it.each<[string, string, (id: string) => PromiseLike<unknown>]>([
    [
      'they got another address',
      '/moved',
      (id) => hooks.update(id, { url: new URL('/moved', receiver.url) }).expect(200),
    ],
    [
      'they were enabled again',
      HERE,
      async (id) => {
        for (const enabled of [false, true]) await hooks.update(id, { enabled }).expect(200);
      },
    ],
    ['something was replayed', HERE, replayOne],
    ['everything was replayed', HERE, (id) => hooks.replayAll(id).expect(200)],
    ['their secret was rotated', HERE, (id) => hooks.rotate(id).expect(200)],
  ])(
    'are neither left alone nor disabled for what was asked before %s, and owe it',
    async (_, path, change) => {
      for (const late of [says(503, { 'Retry-After': '3600' }), says(410)]) {
        const { id, eventId: first, finish } = await underWay();
        await change(id);
        finish(late);
        const began = performance.now();
        const [second] = await happen(service);
        const all = await eventually(async () => {
          const two = await deliveriesOf(service.db, id);
          return two.filter((one) => one.status === 'delivered').length === 2 && two;
        }, 'what failed, and the next event');
        expect(performance.now() - began).toBeLessThan(3_000);
        expect(all.map((one) => [one.attempts, one.last_status])).toEqual([
          [2, 204],
          [1, 204],
        ]);
        const [, ...again] = receiver.received;
        expect(again.map((one) => `${one.id} ${one.path}`).sort()).toEqual([
          `${first} ${path}`,
          `${second} ${path}`,
        ]);
        expect(await laneOf(service.db, id)).toMatchObject(asGoodAsNew);
        await hooks.remove(id).expect(204);
      }
    },
  );

  it('fail no longer when what was asked before a replay arrives', async () => {
    const { id, finish } = await underWay();
    await hooks.replayAll(id).expect(200);
    finish(ok);
    await eventually(async () => (await laneOf(service.db, id)).failing_since === null, 'the lane');
    expect(await laneOf(service.db, id)).toMatchObject(asGoodAsNew);
    expect(receiver.received).toHaveLength(1);
  });

  it.each<[string, (url: string) => object[]]>([
    ['they got another address', (url) => [{ url: url.replace(/\/events.*/, '/moved') }]],
    ['they were enabled again', () => [{ enabled: false }, { enabled: true }]],
  ])('are sent at once what had failed just before %s', async (_what, changes) => {
    const { id } = await hooks.make({ url: receiver.url, event_types: ['user.updated'] });
    receiver.answer(says(503, { 'Retry-After': '3600' }));
    const [eventId] = await happen(service);
    const isPutOff = async () => {
      const [one] = await deliveriesOf(service.db, id);
      return one?.attempts === 1 && (await laneOf(service.db, id)).sender_id === null && one;
    };
    const { due_at } = await eventually(isPutOff, 'the failure');
    expect(due_at.getTime() - Date.now()).toBeGreaterThan(3_000_000);
    receiver.answer(ok);
    for (const change of changes(receiver.url)) await hooks.update(id, change).expect(200);
    const began = performance.now();
    await eventually(async () => (await deliveriesOf(service.db, id))[0]!.status === 'delivered', 'it');
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(receiver.received.map((one) => one.id)).toEqual([eventId, eventId]);
  });

  it('are sent nothing beside what is under way when they are enabled again, and everything once', async () => {
    const { id } = await hooks.make({ url: receiver.url, event_types: ['user.updated'] });
    const waiting: (() => void)[] = [];
    receiver.answer((response) => waiting.push(() => response.writeHead(204).end()));
    await service.db.query(`UPDATE webhooks SET rest_until = now() + interval '1 hour' WHERE id = $1`, [id]);
    const ids = await happen(service, 30);
    await eventually(async () => (await deliveriesOf(service.db, id)).length === 30, 'the fan-out');
    await service.db.query(`UPDATE webhooks SET rest_until = NULL WHERE id = $1`, [id]);
    await eventually(() => Promise.resolve(waiting.length === 4), 'as many requests as there may be');
    for (const enabled of [false, true, false, true]) await hooks.update(id, { enabled }).expect(200);
    // Long enough for both instances to look for lanes.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(waiting).toHaveLength(4);
    receiver.answer(ok);
    for (const answer of waiting) answer();
    await eventually(
      async () => (await deliveriesOf(service.db, id)).every((one) => one.status === 'delivered'),
      'all of them',
    );
    expect(receiver.received.map((one) => one.id).sort()).toEqual([...ids].sort());
  });
});
