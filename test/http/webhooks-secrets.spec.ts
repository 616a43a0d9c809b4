import { Redis } from 'ioredis';
import { Client } from 'pg';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { Rewrap } from '../../src/infra/kms/rewrap.service';
import { RotateMasterKey } from '../../src/infra/kms/rotate-master-key.service';
import { unpackWrapped } from '../../src/infra/kms/wrapped-secret';
import { WebhookLeftovers } from '../../src/webhooks/webhook-leftovers';
import { SigningSecrets, webhookContext, WebhookSecrets } from '../../src/webhooks/webhook-secrets.service';
import { startService, TestService } from '../support/app';
import { dumpDatabase, dumpRedis } from '../support/dump-stores';
import { Canaries } from '../support/canaries';
import { newAdministrator } from '../support/people';
import { expectProblem } from '../support/problem';
import { QUIET, WebhookAdministration, webhookEvents } from '../support/webhooks';

const DAY = 86_400_000;

interface Row {
  wrapped_secret: Buffer;
  wrapped_previous_secret: Buffer | null;
  previous_secret_until: Date | null;
}

describe('The secret of a webhook', () => {
  let service: TestService;
  let hooks: WebhookAdministration;
  let secrets: WebhookSecrets;
  let kms: Kms;
  beforeAll(async () => {
    service = await startService();
    secrets = service.app.get(WebhookSecrets);
    kms = service.app.get<Kms>(KMS);
    await service.db.query(QUIET);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    await service.db.query('DELETE FROM webhooks');
    // Days go by here, and sessions end.
    hooks = new WebhookAdministration(service, await newAdministrator(service));
  });
  afterEach(() => jest.restoreAllMocks());

  const rowOf = async (id: string): Promise<Row> => {
    const [row] = await service.db.query<Row[]>('SELECT * FROM webhooks WHERE id = $1', [id]);
    return row!;
  };
  const text = (bytes: Buffer): string => `whsec_${bytes.toString('base64')}`;
  const texts = ({ current, previous }: SigningSecrets): string[] =>
    [current, previous].flatMap((b) => (b ? text(b) : []));
  const damage = (id: string, column: 'wrapped_secret' | 'wrapped_previous_secret'): Promise<unknown> =>
    service.db.query(
      `UPDATE webhooks SET ${column} = set_byte(${column}, 20, 255 - get_byte(${column}, 20)) WHERE id = $1`,
      [id],
    );
  const damageTold = async (id: string): Promise<unknown[]> =>
    service.db.query(
      `SELECT data->>'kind' AS kind FROM events WHERE event_type = 'secret.integrity_failed' AND subject = $1`,
      [`webhooks:${id}`],
    );

  it('is another one each time, and signs as it was shown', async () => {
    const made = await Promise.all(Array.from({ length: 5 }, () => hooks.make()));
    expect(new Set(made.map(({ secret }) => secret)).size).toBe(5);
    for (const { id, secret } of made) expect(texts(await secrets.of(id))).toEqual([secret]);
  });

  it('is replaced by a new one, beside which it signs for a day', async () => {
    const { id, secret } = await hooks.make();
    const before = (await hooks.one(id).expect(200)).body;
    service.advance(1_000);
    const reply = await hooks.rotate(id).expect(200);
    expect(reply.headers['cache-control']).toBe('no-store');
    const { secret: fresh, webhook } = reply.body;
    expect(fresh).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(fresh).not.toBe(secret);
    expect(webhook).toEqual({
      ...before,
      updated_at: webhook.updated_at,
      previous_secret_until: new Date(Date.parse(webhook.updated_at) + DAY).toISOString(),
    });
    expect(texts(await secrets.of(id))).toEqual([fresh, secret]);
    const [, event] = await webhookEvents(service, id);
    expect(event).toMatchObject({ type: 'webhook.secret_rotated', data: { webhook_id: id } });

    service.advance(DAY - 1_000);
    expect(texts(await secrets.of(id))).toEqual([fresh, secret]);
    service.advance(1_001);
    expect(texts(await secrets.of(id))).toEqual([fresh]);
  });

  it('of three, the last two sign; and what signs no more is not kept', async () => {
    const { id } = await hooks.make();
    const { body: second } = await hooks.rotate(id).expect(200);
    service.advance(10);
    const { body: third } = await hooks.rotate(id).expect(200);
    expect(texts(await secrets.of(id))).toEqual([third.secret, second.secret]);
    const leftovers = service.app.get(WebhookLeftovers);
    await leftovers.run(new AbortController().signal);
    expect((await rowOf(id)).wrapped_previous_secret).not.toBeNull();
    service.advance(DAY + 1);
    await leftovers.run(new AbortController().signal);
    expect((await rowOf(id)).wrapped_previous_secret).toBeNull();
    expect(texts(await secrets.of(id))).toEqual([third.secret]);
  });

  it('is nowhere in the clear: in no table, no event, no key of Redis, and no reply but the one that shows it', async () => {
    const canaries = new Canaries();
    const { id, secret } = await hooks.make({ url: 'https://hooks.example.com/?token=url-canary' });
    const { body } = await hooks.rotate(id).expect(200);
    for (const each of [secret, body.secret as string]) {
      canaries.add('secret', each.slice('whsec_'.length));
      canaries.addBytes('secret', Buffer.from(each.slice('whsec_'.length), 'base64'));
    }
    canaries.add('query of the URL', 'url-canary');
    const found: string[] = [];
    const db = new Client(service.config.DATABASE_URL);
    await db.connect();
    const tables = await dumpDatabase(db);
    await db.end();
    const redis = new Redis(service.config.REDIS_URL);
    const keys = await dumpRedis(redis);
    redis.disconnect();
    for (const [table, content] of tables)
      found.push(...canaries.findIn(table, content, table === 'webhooks' ? ['query of the URL'] : []));
    for (const [key, content] of keys) found.push(...canaries.findIn(key, content));
    for (const call of [
      hooks.one(id),
      hooks.list(),
      hooks.deliveries(id),
      hooks.update(id, { description: 'x' }),
    ])
      found.push(...canaries.findIn('a reply', (await call.expect(200)).text, ['query of the URL']));
    expect(found).toEqual([]);
    const telling = [...tables].filter(([, content]) => content.includes(id)).map(([table]) => table);
    expect(telling).toEqual(expect.arrayContaining(['webhooks', expect.stringMatching(/^events_/)]));
  });

  it('is unwrapped for its own webhook alone', async () => {
    const [one, other] = [await hooks.make(), await hooks.make()];
    await service.db.query(
      `UPDATE webhooks SET wrapped_secret = (SELECT wrapped_secret FROM webhooks WHERE id = $2) WHERE id = $1`,
      [one.id, other.id],
    );
    await expect(secrets.of(one.id)).rejects.toMatchObject({ code: 'webhook_secret_damaged' });
    expect(await damageTold(one.id)).toEqual([{ kind: 'webhook_secret' }]);
    expect(texts(await secrets.of(other.id))).toEqual([other.secret]);
  });

  it('that is damaged signs nothing, is on record once an hour, and can be rotated', async () => {
    const { id } = await hooks.make();
    await damage(id, 'wrapped_secret');
    for (let i = 0; i < 3; i++) await expectProblem(hooks.test(id), 409, 'webhook_secret_damaged');
    expect(await damageTold(id)).toHaveLength(1);
    await service.db.query(`UPDATE webhooks SET rest_until = now() + interval '5 minutes' WHERE id = $1`, [
      id,
    ]);
    const { body } = await hooks.rotate(id).expect(200);
    // What waited for a secret that can be opened goes at once.
    expect(await service.db.query('SELECT rest_until FROM webhooks WHERE id = $1', [id])).toEqual([
      { rest_until: null },
    ]);
    expect(texts(await secrets.of(id))).toEqual([body.secret]);
    await damage(id, 'wrapped_previous_secret');
    service.advance(2 * 3_600_000);
    await damage(id, 'wrapped_secret');
    await expect(secrets.of(id)).rejects.toMatchObject({ code: 'webhook_secret_damaged' });
    expect(await damageTold(id)).toHaveLength(2);
  });

  it('leaves no copy in memory when it is made, or when the one before it cannot be had', async () => {
    const zeroed: Buffer[] = [];
    const wrap = jest.spyOn(kms, 'wrap').mockImplementation((secret) => {
      zeroed.push(secret as Buffer);
      return Promise.resolve(Buffer.from('x'));
    });
    await secrets.make('0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10');
    wrap.mockRestore();
    const { id } = await hooks.make();
    await hooks.rotate(id).expect(200);
    const unwrap = kms.unwrap.bind(kms);
    jest.spyOn(kms, 'unwrap').mockImplementation(async (wrapped, context) => {
      if (zeroed.length === 2) throw new Error('away');
      zeroed.push(await unwrap(wrapped, context));
      return zeroed.at(-1)!;
    });
    await expect(secrets.of(id)).rejects.toThrow('away');
    expect(zeroed).toEqual([Buffer.alloc(32), Buffer.alloc(32)]);
  });

  it('goes under the next version of the master key with all others, the previous one too', async () => {
    const { id, secret } = await hooks.make();
    const { body } = await hooks.rotate(id).expect(200);
    const { version } = unpackWrapped((await rowOf(id)).wrapped_secret);
    const next = await service.app.get(RotateMasterKey).run();
    expect(next).not.toBe(version);
    await service.app.get(Rewrap).run();
    const row = await rowOf(id);
    expect(
      [row.wrapped_secret, row.wrapped_previous_secret!].map((blob) => unpackWrapped(blob).version),
    ).toEqual([next, next]);
    expect(texts(await secrets.of(id))).toEqual([body.secret, secret]);
    expect(await kms.unwrap(row.wrapped_previous_secret!, webhookContext(id))).toHaveLength(32);
  });
});
