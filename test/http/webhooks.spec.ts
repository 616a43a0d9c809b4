import { newId } from '../../src/common/ids';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { eventTypes } from '../../src/infra/events/event-types';
import { webhookContext } from '../../src/webhooks/webhook-secrets.service';
import { startService, TestService } from '../support/app';
import { giveUntil, newHolder } from '../support/authority';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { newKey, newServiceAccount, withKey } from '../support/services';
import { addDeliveries, QUIET, WebhookAdministration, webhookEvents, WEBHOOKS } from '../support/webhooks';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const HOUR = 3_600_000;

describe('Webhooks', () => {
  let service: TestService;
  let admin: SignedIn;
  let hooks: WebhookAdministration;
  beforeAll(async () => {
    service = await startService({ WEBHOOK_PRIVATE_NETWORKS: '10.0.0.0/8' });
    admin = await newAdministrator(service);
    hooks = new WebhookAdministration(service, admin);
    await service.db.query(QUIET);
  });
  afterAll(() => service.stop());
  beforeEach(() => service.db.query('DELETE FROM webhooks'));

  const count = async (): Promise<number> => {
    const [row] = await service.db.query<[{ count: number }]>('SELECT count(*)::int AS count FROM webhooks');
    return row.count;
  };
  const chainPosition = async (): Promise<string> => {
    const [row] = await service.db.query<[{ chain_position: string }]>(
      'SELECT chain_position FROM event_relay',
    );
    return row.chain_position;
  };
  const rowOf = async (id: string): Promise<Record<string, unknown>> => {
    const [row] = await service.db.query<Record<string, unknown>[]>('SELECT * FROM webhooks WHERE id = $1', [
      id,
    ]);
    return row!;
  };

  describe('POST /v1/webhooks', () => {
    it('shows the secret once, stores it wrapped, and records who made what, without the URL', async () => {
      const made = await hooks
        .create({ event_types: ['user.suspended', 'session.revoked'], description: 'Order router' })
        .expect(201);
      expect(made.headers['cache-control']).toBe('no-store');
      const { webhook, secret } = made.body;
      expect(webhook).toEqual({
        webhook_id: expect.any(String),
        url: 'https://hooks.example.com/events?token=url-canary',
        event_types: ['session.revoked', 'user.suspended'],
        description: 'Order router',
        enabled: true,
        status: 'ok',
        failing_since: null,
        last_delivery: null,
        previous_secret_until: null,
        created_by: `user:${admin.userId}`,
        created_at: expect.stringMatching(TIME),
        updated_at: webhook.created_at,
      });
      expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);

      const bytes = Buffer.from(secret.slice(6), 'base64');
      const row = await rowOf(webhook.webhook_id);
      const wrapped = row.wrapped_secret as Buffer;
      expect(wrapped.includes(bytes)).toBe(false);
      const kms = service.app.get<Kms>(KMS);
      expect(await kms.unwrap(wrapped, webhookContext(webhook.webhook_id))).toEqual(bytes);
      await expect(kms.unwrap(wrapped, webhookContext(newId()))).rejects.toThrow();

      const events = await webhookEvents(service, webhook.webhook_id);
      expect(events).toEqual([
        {
          type: 'webhook.created',
          subject: `webhook:${webhook.webhook_id}`,
          actor: `user:${admin.userId}`,
          resource: null,
          priority: 'high',
          data: { webhook_id: webhook.webhook_id, event_types: ['session.revoked', 'user.suspended'] },
        },
      ]);
      expect((await hooks.one(webhook.webhook_id).expect(200)).body).toEqual(webhook);
      const { text, body } = await hooks.list().expect(200);
      expect(body.items).toEqual([webhook]);
      expect(text).not.toContain(secret.slice(6));
    });

    it('asks for all events, from now on, where nothing else is said', async () => {
      const before = BigInt(await chainPosition());
      const { body } = await hooks.create().expect(201);
      expect(body.webhook).toMatchObject({ event_types: [], description: null, enabled: true });
      const { since_position: since } = await rowOf(body.webhook.webhook_id);
      expect(BigInt(since as string)).toBeGreaterThanOrEqual(before);
      expect(BigInt(since as string)).toBeLessThanOrEqual(BigInt(await chainPosition()));
      expect(
        (await hooks.create({ event_types: [], description: null }).expect(201)).body.webhook,
      ).toMatchObject({
        event_types: [],
        description: null,
      });
    });

    it('takes every type of event there is, and the URL in its normal form', async () => {
      const { body } = await hooks
        .create({ event_types: eventTypes, url: 'HTTPS://Hooks.Example.com:443/a/../b' })
        .expect(201);
      expect(body.webhook).toMatchObject({
        url: 'https://hooks.example.com/b',
        event_types: [...eventTypes].sort(),
      });
    });

    it('takes http, and an address that is not public, within the networks of the operator alone', async () => {
      await hooks.create({ url: 'http://10.1.2.3:8080/x' }).expect(201);
      await hooks.create({ url: 'https://0x0a010203/x' }).expect(201);
      await expectInvalid(hooks.create({ url: 'http://192.168.1.1/x' }), 'url');
    });

    it.each<[string, string]>([
      ['http://hooks.example.com/', 'url must be https'],
      ['https://u:p@hooks.example.com/', 'url must have no user or password'],
      ['https://hooks.example.com/#x', 'url must have no fragment'],
      ['https://localhost/', 'url must not be a private name'],
      ['https://169.254.169.254/latest/meta-data', 'url must not be a private address'],
      ['https://2130706433/', 'url must not be a private address'],
      ['https://[::ffff:127.0.0.1]/', 'url must not be a private address'],
      ['https://receiver/', 'url must have a full name for its host, with its domain'],
      ['https://hooks.example.com./', 'url must have a host without a dot at its end'],
    ])('says what is wrong with %s', async (url, message) => {
      const reply = await expectProblem(hooks.create({ url }), 422, 'validation_failed');
      expect(reply.body.errors).toEqual([{ field: 'url', message }]);
      expect(await count()).toBe(0);
    });

    it.each<[string, unknown]>([
      ['url', undefined],
      ['url', null],
      ['url', ''],
      ['url', 7],
      ['url', ['https://hooks.example.com/']],
      ['url', `https://hooks.example.com/${'x'.repeat(2048)}`],
      ['event_types', null],
      ['event_types', 'user.login'],
      ['event_types', ['user.login', 'user.login']],
      ['event_types', ['user.*']],
      ['event_types', ['webhook.test']],
      ['event_types', ['__proto__']],
      ['event_types', [['user.login']]],
      ['event_types', { 0: 'user.login' }],
      ['description', ''],
      ['description', 'x'.repeat(256)],
      ['description', 'a\0b'],
      ['description', 7],
    ])('refuses %s %j, and makes nothing', async (field, value) => {
      await expectInvalid(hooks.create({ [field]: value }), field);
      expect(await count()).toBe(0);
    });

    it('takes nothing else from the body', async () => {
      const { body } = await hooks
        .create({
          webhook_id: newId(),
          secret: `whsec_${Buffer.alloc(32).toString('base64')}`,
          enabled: false,
          created_by: 'system',
          since_position: 0,
          status: 'failing',
        })
        .expect(201);
      expect(body.webhook).toMatchObject({ enabled: true, status: 'ok', created_by: `user:${admin.userId}` });
      expect(body.secret).not.toContain('AAAAAAAA');
    });

    it('makes fifty, and no more until one is deleted', async () => {
      const { id } = await hooks.make();
      await service.db.query(
        `INSERT INTO webhooks (id, url, event_types, enabled, wrapped_secret, since_position, created_by, created_at, updated_at)
         SELECT gen_random_uuid(), url, event_types, false, wrapped_secret, 0, 'system', now(), now()
         FROM webhooks, generate_series(1, 49)`,
      );
      await expectProblem(hooks.create(), 409, 'too_many_webhooks');
      await hooks.remove(id).expect(204);
      await hooks.create().expect(201);
      await expectProblem(hooks.create(), 409, 'too_many_webhooks');
      expect((await hooks.list('?limit=20&offset=40').expect(200)).body).toMatchObject({
        total: 50,
        has_more: false,
      });
    });
  });

  describe('GET /v1/webhooks', () => {
    it('lists them newest first, in pages', async () => {
      const ids: string[] = [];
      for (let i = 0; i < 3; i++) ids.unshift((await hooks.make()).id);
      const { body } = await hooks.list().expect(200);
      expect(body.items.map((item: { webhook_id: string }) => item.webhook_id)).toEqual(ids);
      expect(body).toMatchObject({ total: 3, limit: 50, offset: 0, has_more: false });
      const page = await hooks.list('?limit=1&offset=1').expect(200);
      expect(page.body).toMatchObject({ items: [{ webhook_id: ids[1] }], total: 3, has_more: true });
      await expectInvalid(hooks.list('?limit=0'), 'limit');
      await expectInvalid(hooks.list('?offset=-1'), 'offset');
    });

    it('tells how each is doing, and the newest event that has arrived', async () => {
      const { id } = await hooks.make();
      await addDeliveries(service, id, 'delivered', 3);
      await addDeliveries(service, id, 'pending');
      const [newest] = await service.db.query<[{ event_id: string }]>(
        `SELECT event_id FROM webhook_deliveries WHERE status = 'delivered' ORDER BY event_id DESC LIMIT 1`,
      );
      expect((await hooks.one(id).expect(200)).body).toMatchObject({
        status: 'ok',
        last_delivery: { event_id: newest.event_id, delivered_at: expect.stringMatching(TIME) },
      });
      await service.db.query(`UPDATE webhooks SET failing_since = '2026-11-22T09:30:00Z', failures = 3`);
      expect((await hooks.one(id).expect(200)).body).toMatchObject({
        status: 'failing',
        failing_since: '2026-11-22T09:30:00.000Z',
      });
      await hooks.update(id, { enabled: false }).expect(200);
      expect((await hooks.one(id).expect(200)).body).toMatchObject({ status: 'disabled', enabled: false });
    });
  });

  describe('PATCH /v1/webhooks/{webhook_id}', () => {
    it('changes what is given, and records the names alone', async () => {
      const { id } = await hooks.make({ event_types: ['user.login'] });
      const before = (await hooks.one(id).expect(200)).body;
      service.advance(1_000);
      const url = 'https://other.example.com/x?token=url-canary';
      const { body } = await hooks
        .update(id, { url, event_types: [], description: 'Ends sessions', enabled: false })
        .expect(200);
      expect(body).toEqual({
        ...before,
        url,
        event_types: [],
        description: 'Ends sessions',
        enabled: false,
        status: 'disabled',
        updated_at: expect.stringMatching(TIME),
      });
      expect(Date.parse(body.updated_at)).toBeGreaterThan(Date.parse(before.updated_at));
      const [, event] = await webhookEvents(service, id);
      expect(event).toMatchObject({
        type: 'webhook.updated',
        actor: `user:${admin.userId}`,
        data: { webhook_id: id, fields: ['url', 'event_types', 'description', 'enabled'] },
      });
      await hooks.update(id, { description: null }).expect(200);
      expect((await hooks.one(id).expect(200)).body.description).toBeNull();
    });

    it('changes nothing, and records nothing, where nothing would be different', async () => {
      const { id } = await hooks.make({ event_types: ['user.login', 'user.logout'] });
      const before = await rowOf(id);
      await hooks.update(id, {}).expect(200);
      await hooks
        .update(id, {
          url: 'HTTPS://HOOKS.example.com/events?token=url-canary',
          event_types: ['user.logout', 'user.login'],
          enabled: true,
          description: null,
          webhook_id: newId(),
          secret: 'x',
        })
        .expect(200);
      expect(await rowOf(id)).toEqual(before);
      expect(await webhookEvents(service, id)).toHaveLength(1);
    });

    it('begins with the events from now on, and at once, when it is enabled again; what was pending stays', async () => {
      const { id } = await hooks.make();
      const [pending] = await addDeliveries(service, id, 'pending');
      await hooks.update(id, { enabled: false }).expect(200);
      await service.db.query(
        `UPDATE webhooks SET failing_since = now(), failures = 9, rest_until = now() + interval '1 hour', since_position = 0`,
      );
      await hooks.update(id, { description: 'still off' }).expect(200);
      expect(await rowOf(id)).toMatchObject({ since_position: '0', failures: 9 });
      const position = BigInt(await chainPosition());
      await hooks.update(id, { enabled: true }).expect(200);
      const row = await rowOf(id);
      expect(BigInt(row.since_position as string)).toBeGreaterThanOrEqual(position);
      expect(row).toMatchObject({ failures: 0, failing_since: null, rest_until: null });
      const { body } = await hooks.deliveries(id, '?status=pending').expect(200);
      expect(body.items).toMatchObject([{ delivery_id: pending }]);
    });

    it('does not leave a receiver alone any longer that has another address', async () => {
      const { id } = await hooks.make();
      const fail = (): Promise<unknown> =>
        service.db.query(
          `UPDATE webhooks SET failing_since = now(), failures = 9, rest_until = now() + interval '1 hour'`,
        );
      await fail();
      await hooks.update(id, { description: 'x' }).expect(200);
      expect(await rowOf(id)).toMatchObject({ failures: 9 });
      await hooks.update(id, { url: 'https://repaired.example.com/' }).expect(200);
      expect(await rowOf(id)).toMatchObject({ failures: 0, failing_since: null, rest_until: null });
    });

    it.each<[string, unknown]>([
      ['url', null],
      ['url', 'https://127.0.0.1/'],
      ['url', ''],
      ['event_types', null],
      ['event_types', ['no.such']],
      ['description', ''],
      ['enabled', null],
      ['enabled', 'true'],
      ['enabled', 1],
    ])('refuses %s %j', async (field, value) => {
      const { id } = await hooks.make();
      const before = await rowOf(id);
      await expectInvalid(
        hooks.update(id, { [field]: value, description: field === 'description' ? value : 'y' }),
        field,
      );
      expect(await rowOf(id)).toEqual(before);
    });
  });

  describe('DELETE /v1/webhooks/{webhook_id}', () => {
    it('ends it, with its deliveries and secrets, and records that', async () => {
      const [{ id }, { id: other }] = [await hooks.make(), await hooks.make()];
      const [delivery] = await addDeliveries(service, id, 'dead', 3);
      await addDeliveries(service, other, 'dead', 2);
      await hooks.remove(id).expect(204);
      for (const [name, call] of Object.entries(hooks.all(id, delivery!)))
        if (!['create', 'list'].includes(name)) await expectProblem(call(), 404, 'not_found');
      expect(await rowOf(id)).toBeUndefined();
      const left = await service.db.query('SELECT webhook_id FROM webhook_deliveries');
      expect(left).toEqual([{ webhook_id: other }, { webhook_id: other }]);
      expect((await hooks.list().expect(200)).body).toMatchObject({
        total: 1,
        items: [{ webhook_id: other }],
      });
      const events = await webhookEvents(service, id);
      expect(events.map(({ type, data }) => [type, data])).toEqual([
        ['webhook.created', { webhook_id: id, event_types: [] }],
        ['webhook.deleted', { webhook_id: id }],
      ]);
    });
  });

  describe('of others', () => {
    it('are refused to whoever may not manage them, and to keys that may not', async () => {
      const { id } = await hooks.make();
      const [delivery] = await addDeliveries(service, id, 'dead');
      const trader = await newSignedIn(service);
      const auditor = await newHolder(service, ['audit:read', 'user:read', 'user:write', 'authz:grant']);
      for (const person of [trader, auditor]) {
        const calls = new WebhookAdministration(service, person).all(id, delivery!);
        for (const call of Object.values(calls)) await expectProblem(call(), 403, 'permission_denied');
      }
      for (const path of ['', `/${id}`, `/${id}/deliveries`])
        await expectProblem(service.client().get(WEBHOOKS + path), 401, 'not_authenticated');
      expect(await webhookEvents(service, id)).toHaveLength(1);
    });

    it('are open to whoever holds that one permission, whoever made them', async () => {
      const { id } = await hooks.make();
      const holder = await newHolder(service, ['webhook:manage']);
      const theirs = new WebhookAdministration(service, holder);
      await theirs.update(id, { description: 'mine now' }).expect(200);
      await theirs.rotate(id).expect(200);
      await theirs.remove(id).expect(204);
      expect((await webhookEvents(service, id)).map(({ type, actor }) => [type, actor])).toEqual([
        ['webhook.created', `user:${admin.userId}`],
        ['webhook.updated', `user:${holder.userId}`],
        ['webhook.secret_rotated', `user:${holder.userId}`],
        ['webhook.deleted', `user:${holder.userId}`],
      ]);
    });

    it('are made, redirected and given secrets by nobody who may for a while only: they would go on telling', async () => {
      const { id } = await hooks.make();
      const guest = await newSignedIn(service);
      await giveUntil(service, guest.userId, 'webhook:manage', new Date(Date.now() + HOUR));
      const theirs = new WebhookAdministration(service, guest);
      await expectProblem(theirs.create(), 403, 'escalation_refused');
      await expectProblem(theirs.update(id, { description: 'x' }), 403, 'escalation_refused');
      await expectProblem(theirs.rotate(id), 403, 'escalation_refused');
      await theirs.list().expect(200);
      await theirs.replayAll(id).expect(200);
      await theirs.remove(id).expect(204);
    });

    it('can be looked at, replayed and deleted with an API key; making and changing them takes a session', async () => {
      const { id } = await hooks.make();
      const [one] = await addDeliveries(service, id, 'dead', 2);
      const owner = await newServiceAccount(service, 'webhook:manage');
      const { apiKey } = await newKey(service, admin, owner, ['webhook:manage']);
      const client = service.client();
      const url = `${WEBHOOKS}/${id}`;
      for (const path of [WEBHOOKS, url, `${url}/deliveries`])
        await withKey(client.get(path), apiKey).expect(200);
      await withKey(client.post(`${url}/deliveries/${one}/replay`), apiKey).expect(200);
      await withKey(client.post(`${url}/deliveries/replay`), apiKey).expect(200);
      const body = { url: 'https://hooks.example.com/' };
      for (const call of [
        client.post(WEBHOOKS, body),
        client.patch(url, body),
        client.post(`${url}/rotate-secret`),
      ])
        await expectProblem(withKey(call, apiKey), 403, 'session_required');
      await withKey(client.delete(url), apiKey).expect(204);
      const weak = await newKey(service, admin, owner, ['user:read']);
      await expectProblem(withKey(client.get(WEBHOOKS), weak.apiKey), 403, 'permission_denied');
    });
  });
});
