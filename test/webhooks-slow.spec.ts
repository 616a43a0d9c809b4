import { Logger, LoggerService } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { KMS, Kms } from '../src/infra/kms/kms';
import { DeliveryResults } from '../src/webhooks/sending/delivery-results.service';
import { Lanes } from '../src/webhooks/sending/lanes.service';
import { SendingDatabase } from '../src/webhooks/sending/sending-database';
import { WebhookSecrets } from '../src/webhooks/webhook-secrets.service';
import { eventually, startService, TestService } from './support/app';
import { newAdministrator } from './support/people';
import {
  deliveriesOf,
  happen,
  laneOf,
  NewWebhook,
  newWebhook,
  Receiver,
  startReceiver,
} from './support/webhook-world';
import { WebhookAdministration } from './support/webhooks';

/** Longer than a claim is good for before the first request, and shorter than the claim. */
const SLOW_MS = 4_300;

describe('Webhooks, while what sending needs answers slowly,', () => {
  let service: TestService;
  let receiver: Receiver;
  let lanes: Lanes;

  beforeAll(async () => {
    service = await startService({ WEBHOOK_PRIVATE_NETWORKS: '127.0.0.0/8', WEBHOOK_TIMEOUT_SECONDS: '1' });
    lanes = service.app.get(Lanes);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    receiver = await startReceiver();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await receiver.stop();
    await service.db.query('DELETE FROM webhooks');
  });

  const arrived = (webhookId: string, timeoutMs?: number) =>
    eventually(
      async () => {
        const [delivery] = await deliveriesOf(service.db, webhookId);
        return delivery?.status === 'delivered' && delivery;
      },
      'the delivery',
      timeoutMs,
    );

  /** A webhook that rests, and for which so much has happened. */
  const waiting = async (count: number): Promise<NewWebhook> => {
    const webhook = await newWebhook(service, receiver.url);
    await service.db.query(`UPDATE webhooks SET rest_until = now() + interval '1 hour' WHERE id = $1`, [
      webhook.id,
    ]);
    await happen(service, count);
    await eventually(
      async () => (await deliveriesOf(service.db, webhook.id)).length === count,
      'the fan-out',
    );
    return webhook;
  };

  it('are sent to all the same when the KMS takes seconds to open the secret', async () => {
    const webhook = await newWebhook(service, receiver.url);
    const kms = service.app.get<Kms>(KMS);
    const unwrap = kms.unwrap.bind(kms);
    jest.spyOn(kms, 'unwrap').mockImplementation(async (wrapped, context) => {
      await sleep(SLOW_MS);
      return unwrap(wrapped, context);
    });
    await happen(service);
    expect(await arrived(webhook.id)).toMatchObject({ attempts: 1 });
    expect(receiver.received).toHaveLength(1);
    expect(await laneOf(service.db, webhook.id)).toMatchObject({ failures: 0, rest_until: null });
  });

  it.each<[string, string, string[]]>([
    ['moved', `url = replace(url, '/events', '/moved'), sender_id = NULL`, ['/moved?token=url-canary']],
    ['disabled', 'enabled = false', []],
    ['deleted', 'enabled = false, deleted_at = now()', []],
  ])(
    'are sent nothing any more at the address at which they were %s meanwhile',
    async (_, change, expected) => {
      const lines: string[] = [];
      const keep = (...what: unknown[]): void => void lines.push(String(what[0]));
      Logger.overrideLogger({ log: keep, warn: keep, error: keep, debug: keep });
      try {
        const webhook = await newWebhook(service, receiver.url);
        const paths: string[] = [];
        receiver.answer((response, _received, request) => {
          paths.push(request.url!);
          response.writeHead(204).end();
        });
        const kms = service.app.get<Kms>(KMS);
        const unwrap = kms.unwrap.bind(kms);
        const slow = jest.spyOn(kms, 'unwrap').mockImplementationOnce(async (wrapped, context) => {
          await service.db.query(`UPDATE webhooks SET ${change} WHERE id = $1`, [webhook.id]);
          await sleep(300);
          return unwrap(wrapped, context);
        });
        await happen(service);
        await eventually(() => Promise.resolve(slow.mock.calls.length > 0), 'the secret to be opened');
        if (expected.length > 0) expect(await arrived(webhook.id)).toMatchObject({ attempts: 1 });
        else await sleep(1_500);
        expect(paths).toEqual(expected);
        expect(lines).toEqual([]);
      } finally {
        Logger.overrideLogger(false);
      }
    },
  );

  it('are deleted without a word while their secret is looked for', async () => {
    const lines: string[] = [];
    const keep = (...what: unknown[]): void => void lines.push(String(what[0]));
    Logger.overrideLogger({ log: keep, warn: keep, error: keep, debug: keep });
    try {
      const webhook = await newWebhook(service, receiver.url);
      const secrets = service.app.get(WebhookSecrets);
      const of = secrets.of.bind(secrets);
      const late = jest.spyOn(secrets, 'of').mockImplementationOnce(async (id) => {
        await service.db.query('UPDATE webhooks SET enabled = false, deleted_at = now() WHERE id = $1', [id]);
        return of(id);
      });
      await happen(service);
      await eventually(() => Promise.resolve(late.mock.calls.length > 0), 'the secret to be looked for');
      await sleep(500);
      expect(late.mock.calls).toEqual([[webhook.id]]);
      expect(lines).toEqual([]);
      expect(receiver.received).toEqual([]);
    } finally {
      Logger.overrideLogger(false);
    }
  });

  it('are sent at once, and nothing is given up, when the secret that could not be opened is rotated meanwhile', async () => {
    const hooks = new WebhookAdministration(service, await newAdministrator(service));
    const webhook = await waiting(1);
    await service.db.query(`UPDATE webhook_deliveries SET give_up_at = now() WHERE webhook_id = $1`, [
      webhook.id,
    ]);
    const secrets = service.app.get(WebhookSecrets);
    const of = secrets.of.bind(secrets);
    jest.spyOn(secrets, 'of').mockImplementationOnce(async (id) => {
      const found = of(id);
      await found.catch(() => undefined);
      await hooks.rotate(id).expect(200);
      return found;
    });
    await service.db.query(
      `UPDATE webhooks SET wrapped_secret = '\\x00', failures = 9, failing_since = now() - interval '2 days',
         rest_until = NULL WHERE id = $1`,
      [webhook.id],
    );
    expect(await arrived(webhook.id)).toMatchObject({ attempts: 1 });
  });

  it('are sent nothing more at the address they had when an answer from before is the last to come', async () => {
    const webhook = await waiting(12);
    const open: (() => void)[] = [];
    receiver.answer((response, { path }) => {
      const finish = () => response.writeHead(204).end();
      if (path.startsWith('/events')) open.push(finish);
      else finish();
    });
    const results = service.app.get(DeliveryResults);
    const delivered = results.delivered.bind(results);
    const answers: boolean[] = [];
    const until = (count: number) => eventually(() => Promise.resolve(answers.length === count), 'an answer');
    jest.spyOn(results, 'delivered').mockImplementation(async (...tried) => {
      const wantsMore = await delivered(...tried);
      // The first one is on its way until the second has come.
      if (answers.push(wantsMore) === 1) await until(2).then(() => sleep(50));
      return wantsMore;
    });
    await service.db.query('UPDATE webhooks SET rest_until = NULL WHERE id = $1', [webhook.id]);
    await eventually(() => Promise.resolve(open.length === 4), 'as many requests as there may be');
    open[0]!();
    await until(1);
    await service.db.query(
      `UPDATE webhooks SET url = replace(url, '/events', '/moved'), sender_id = NULL WHERE id = $1`,
      [webhook.id],
    );
    open[1]!();
    await until(2);
    expect(answers).toEqual([true, false]);
    await sleep(200);
    expect(receiver.received.map(({ path }) => path)).toEqual(Array(4).fill('/events?token=url-canary'));
    for (const finish of open.slice(2)) finish();
    await eventually(
      async () => (await deliveriesOf(service.db, webhook.id)).every((one) => one.status === 'delivered'),
      'all of them',
    );
    expect(receiver.received).toHaveLength(12);
  });

  it('are sent to all the same when the database is kept by other lanes for seconds, each time', async () => {
    const webhook = await newWebhook(service, receiver.url);
    const db = service.app.get(SendingDatabase);
    const next = lanes.next.bind(lanes);
    jest.spyOn(lanes, 'next').mockImplementation(async (lane, limit) => {
      const others = [1, 2, 3].map(() => db.query('SELECT pg_sleep($1)', [SLOW_MS / 1_000]));
      const [batch] = await Promise.all([next(lane, limit), ...others]);
      return batch;
    });
    await happen(service);
    expect(await arrived(webhook.id)).toMatchObject({ attempts: 1 });
    // The second time, which finds nothing, is under way.
    await eventually(async () => (await laneOf(service.db, webhook.id)).sender_id === null, 'the lane');
    expect(receiver.received).toHaveLength(1);
  });

  it('rest, which is logged once, where no request can be begun while the claim is good', async () => {
    const lines: string[] = [];
    // Not of others who begin at the same time, as the publisher.
    const keep = (...what: unknown[]): void => {
      if (String(what[0]).startsWith('Deliveries of webhooks')) lines.push(String(what[0]));
    };
    const logger: LoggerService = { log: keep, warn: keep, error: keep, debug: keep };
    Logger.overrideLogger(logger);
    try {
      const webhook = await newWebhook(service, receiver.url);
      const next = lanes.next.bind(lanes);
      // As an answer that comes so much later.
      const late = jest.spyOn(lanes, 'next').mockImplementation(async (lane, limit) => {
        const batch = await next(lane, limit);
        lane.claimedUntil -= SLOW_MS;
        return batch;
      });
      await happen(service);
      for (const round of [1, 2]) {
        const { rest_until } = await eventually(async () => {
          const lane = await laneOf(service.db, webhook.id);
          return lane.rest_until !== null && lane;
        }, 'a rest');
        await sleep(1_000);
        expect(late.mock.calls.length).toBeLessThanOrEqual(2 * round);
        expect(await laneOf(service.db, webhook.id)).toMatchObject({
          failures: 0,
          failing_since: null,
          rest_until,
          sender_id: null,
        });
        await service.db.query('UPDATE webhooks SET rest_until = NULL WHERE id = $1', [webhook.id]);
        await eventually(() => Promise.resolve(late.mock.calls.length >= 2 * round + 1), 'another try');
      }
      expect(lines).toEqual([expect.stringContaining('the claim was over before the first request')]);
      expect(await deliveriesOf(service.db, webhook.id)).toEqual([
        expect.objectContaining({ status: 'pending', attempts: 0 }),
      ]);

      late.mockRestore();
      service.advance(30_000);
      await arrived(webhook.id);
      expect(lines).toEqual([expect.any(String), expect.stringContaining('works again')]);
    } finally {
      Logger.overrideLogger(false);
    }
  });
});
