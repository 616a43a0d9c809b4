import { unavailable } from '../../src/common/common.errors';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { eventually, startService, TestService } from '../support/app';
import { newAdministrator } from '../support/people';
import { expectProblem } from '../support/problem';
import { OwnServers, startOwnServers } from '../support/servers';
import { addDeliveries, QUIET, WebhookAdministration, webhookEvents } from '../support/webhooks';
import { forgotten } from '../support/forgotten';

describe('The administration of webhooks', () => {
  let servers: OwnServers;
  let service: TestService;
  let hooks: WebhookAdministration;
  let id: string;
  let delivery: string;
  beforeAll(async () => {
    servers = await startOwnServers();
    service = await startService({}, { ...servers, drop: () => Promise.resolve() });
    await service.db.query(QUIET);
    hooks = new WebhookAdministration(service, await newAdministrator(service));
    ({ id } = await hooks.make());
    [delivery] = (await addDeliveries(service, id, 'dead')) as [string];
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await servers.stop();
  });
  afterEach(() => jest.restoreAllMocks());

  const stored = async (): Promise<unknown> => ({
    webhooks: await service.db.query('SELECT * FROM webhooks ORDER BY id'),
    deliveries: await service.db.query('SELECT * FROM webhook_deliveries ORDER BY id'),
    events: await webhookEvents(service, id),
  });
  const works = () => eventually(async () => (await hooks.one(id)).status === 200, 'it to work again', 8_000);

  it.each(['PostgreSQL', 'Redis'])(
    'answers 503 in time, and changes nothing, while %s hangs',
    async (store) => {
      await hooks.one(id).expect(200);
      const before = await stored();
      if (store === 'Redis') servers.freezeRedis();
      else servers.freezePostgres();
      await forgotten();
      const began = performance.now();
      const calls = Object.values(hooks.all(id, delivery));
      await Promise.all(calls.map((call) => expectProblem(call(), 503, 'unavailable')));
      expect(performance.now() - began).toBeLessThan(2_500);
      if (store === 'Redis') servers.thawRedis();
      else servers.thawPostgres();
      await works();
      expect(await stored()).toEqual(before);
    },
  );

  it.each(['PostgreSQL', 'Redis'])(
    'answers 503 while %s is away, and works when it is back',
    async (store) => {
      const before = await stored();
      await (store === 'Redis' ? servers.killRedis() : servers.killPostgres());
      await forgotten();
      for (const call of Object.values(hooks.all(id, delivery)))
        await expectProblem(call(), 503, 'unavailable');
      await (store === 'Redis' ? servers.restartRedis() : servers.restartPostgres());
      // Sessions are in Redis, on disk too.
      await works();
      expect(await stored()).toEqual(before);
    },
  );

  it('makes and rotates no secret while the KMS is away, and does all else', async () => {
    const kms = service.app.get<Kms>(KMS);
    const away = (): Promise<Buffer> => Promise.reject(unavailable({ retryAfter: 5 }));
    jest.spyOn(kms, 'wrap').mockImplementation(away);
    jest.spyOn(kms, 'unwrap').mockImplementation(away);
    const before = await stored();
    for (const call of [hooks.create(), hooks.rotate(id), hooks.test(id)])
      await expectProblem(call, 503, 'unavailable');
    expect(await stored()).toEqual(before);
    await hooks.one(id).expect(200);
    await hooks.update(id, { description: 'while the KMS is away' }).expect(200);
    await hooks.replay(id, delivery).expect(200);
    await hooks.remove(id).expect(204);
  });
});
