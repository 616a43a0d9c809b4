import { Logger } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { isApiKey } from '../../src/api-keys/api-key-format';
import { ApiKeyUsage } from '../../src/api-keys/api-key-usage';
import { RevokeApiKeys } from '../../src/api-keys/revoke-api-keys.service';
import { systemCaller } from '../../src/common/caller';
import { newId } from '../../src/common/ids';
import { eventsOf, setStatus } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { giveUntil, newHolder, waitingForLocks } from '../support/authority';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { give, keysOf, newKey, newServiceAccount, take, withKey } from '../support/services';
import { WHOLE_EVENTS } from '../support/whole-events';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const DAY = 86_400_000;

describe('API keys', () => {
  let service: TestService;
  let admin: SignedIn;
  let owner: string;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    owner = await newServiceAccount(service, 'authz:check', 'user:read');
  });

  const create = (body: object, by = admin, userId = owner) =>
    service.client().post(keysOf(userId), body, by.accessToken);
  const list = (query = '', by = admin, userId = owner) =>
    service.client().get(keysOf(userId) + query, by.accessToken);
  const revoke = (keyId: string, by = admin) =>
    service.client().delete(`/v1/api-keys/${keyId}`, by.accessToken);
  const body = (more: object = {}) => ({ name: 'production', permissions: ['authz:check'], ...more });
  /** Keys that nobody has; `expiresAt` and `id` are SQL. */
  const addKeys = (userId: string, count: number, expiresAt: string, id = 'gen_random_uuid()') =>
    service.db.query(
      `INSERT INTO api_keys (id, user_id, name, prefix, key_hash, permissions, created_by, created_at, expires_at)
       SELECT ${id}, $1, 'x', 'us_live_xxxx', sha256(gen_random_uuid()::text::bytea), '{}', 'system', now(), ${expiresAt}
       FROM generate_series(1, $2::int) n`,
      [userId, count],
    );
  const countKeys = async (): Promise<number> => {
    const [{ count }] = await service.db.query('SELECT count(*)::int AS count FROM api_keys');
    return count;
  };

  describe('POST /v1/users/{user_id}/api-keys', () => {
    it('shows the key once, stores its hash alone, and records who made it', async () => {
      const made = await create(body({ permissions: ['user:read', 'authz:check'] })).expect(201);
      const { api_key: secret, key } = made.body;
      expect(made.headers['cache-control']).toBe('no-store');
      expect(secret).toMatch(/^us_live_[0-9A-Za-z]{38}$/);
      expect(isApiKey(secret)).toBe(true);
      expect(key).toEqual({
        key_id: expect.any(String),
        user_id: owner,
        name: 'production',
        prefix: secret.slice(0, 12),
        permissions: ['authz:check', 'user:read'],
        created_by: `user:${admin.userId}`,
        created_at: expect.stringMatching(TIME),
        expires_at: null,
        last_used_at: null,
      });
      const [row] = await service.db.query('SELECT * FROM api_keys WHERE id = $1', [key.key_id]);
      expect(row.key_hash).toEqual(createHash('sha256').update(secret).digest());
      expect(JSON.stringify(row)).not.toContain(secret.slice(12));

      const [event] = await service.db.query(
        `SELECT * FROM ${WHOLE_EVENTS} WHERE subject = $1 AND event_type = 'api_key.created'`,
        [`user:${owner}`],
      );
      expect(event).toMatchObject({
        actor: `user:${admin.userId}`,
        resource: `api_key:${key.key_id}`,
        priority: 'high',
        data: {
          api_key_id: key.key_id,
          name: 'production',
          permissions: ['authz:check', 'user:read'],
          expires_at: null,
        },
      });
      expect(JSON.stringify(event)).not.toContain(secret.slice(12));
      const listed = await list().expect(200);
      expect(listed.text).not.toContain(secret.slice(12));
      expect(listed.body.items).toEqual([key]);
    });

    it.each(['2099-01-01T05:30:00+05:30', '2099-01-01T00:00:00Z', '2099-01-01t00:00:00.000z'])(
      'takes %s for its end',
      async (expiresAt) => {
        const { body: made } = await create(body({ expires_at: expiresAt })).expect(201);
        expect(made.key.expires_at).toBe('2099-01-01T00:00:00.000Z');
        const [event] = await eventsOf(service, owner, 'api_key.created');
        expect(event!.data.expires_at).toBe('2099-01-01T00:00:00.000Z');
      },
    );

    it.each<[string, unknown]>([
      ['name', undefined],
      ['name', ''],
      ['name', ' '],
      ['name', 'x'.repeat(256)],
      ['name', 'two\nlines'],
      ['name', 7],
      ['permissions', undefined],
      ['permissions', null],
      ['permissions', []],
      ['permissions', 'authz:check'],
      ['permissions', ['authz:check', 'authz:check']],
      ['permissions', ['authz']],
      ['permissions', ['AUTHZ:CHECK']],
      ['permissions', ['*:*']],
      ['permissions', [' authz:check']],
      ['permissions', [['authz:check']]],
      ['permissions', [null]],
      ['permissions', { 0: 'authz:check' }],
      ['permissions', Array.from({ length: 101 }, (_, i) => `a:${'b'.repeat(i % 50)}${'c'.repeat(i / 50)}d`)],
      // Nobody has it.
      ['permissions', ['authz:check', 'no_such:permission']],
      // The one who asks has it, the account has not.
      ['expires_at', ''],
      ['expires_at', 4_102_444_800],
      ['expires_at', '2099-01-01'],
      ['expires_at', '2099-01-01T00:00:00'],
      ['expires_at', '2099-02-30T00:00:00Z'],
      ['expires_at', '9999-12-31T23:59:59-23:59'],
      ['expires_at', 'tomorrow'],
      ['expires_at', '2020-01-01T00:00:00Z'],
      ['expires_at', ['2099-01-01T00:00:00Z']],
    ])('refuses %s %j, and makes nothing', async (field, value) => {
      const before = await countKeys();
      await expectInvalid(create(body({ [field]: value })), field);
      expect(await countKeys()).toBe(before);
    });

    it('says which permissions do not exist', async () => {
      const reply = await expectProblem(
        create(body({ permissions: ['user:rite', 'authz:check', 'audit:raed'] })),
        422,
        'validation_failed',
      );
      expect(reply.body.errors).toEqual([
        { field: 'permissions', message: 'permissions: there is no user:rite, audit:raed' },
      ]);
    });

    it('takes one that the account lacks: the key allows it while the account holds it, and never else', async () => {
      const account = await newServiceAccount(service);
      const { apiKey } = await newKey(service, admin, account, ['user:read']);
      const list = () => service.client().get('/v1/users?limit=1').set('X-API-Key', apiKey);
      await expectProblem(list(), 403, 'permission_denied');
      await give(service, account, 'user:read');
      await list().expect(200);
      await take(service, account, 'user:read');
      await expectProblem(list(), 403, 'permission_denied');
    });

    it('refuses an end that is now by the service’s clock', async () => {
      await expectInvalid(create(body({ expires_at: new Date().toISOString() })), 'expires_at');
      await create(body({ expires_at: new Date(Date.now() + 60_000).toISOString() })).expect(201);
    });

    it('takes nothing else from the body', async () => {
      const { body: made } = await create(
        body({
          api_key: 'us_live_0123456789ABCDEFGHIJKLMNOPQRSTUV0DZvz4',
          key_id: newId(),
          user_id: admin.userId,
          prefix: 'us_live_0123',
          created_by: 'system',
          created_at: '2020-01-01T00:00:00Z',
          revoked_at: null,
          last_used_at: '2020-01-01T00:00:00Z',
        }),
      ).expect(201);
      expect(made.api_key).not.toContain('0123456789');
      expect(made.key).toMatchObject({
        user_id: owner,
        created_by: `user:${admin.userId}`,
        last_used_at: null,
      });
      expect(made.key.prefix).toBe(made.api_key.slice(0, 12));
    });

    it('gives people none, themselves included', async () => {
      const person = await newSignedIn(service);
      await expectProblem(
        create(body({ permissions: ['trading_account:view'] }), admin, person.userId),
        409,
        'not_a_service_account',
      );
      await expectProblem(create(body(), admin, admin.userId), 409, 'not_a_service_account');
    });

    it('gives a suspended account none', async () => {
      await service.db.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [owner]);
      await expectProblem(create(body()), 409, 'conflict');
      await service.db.query(`UPDATE users SET status = 'active' WHERE id = $1`, [owner]);
      await create(body()).expect(201);
    });

    it('answers 404 for an unknown account, a deleted one and what is no id', async () => {
      await service.db.query(`UPDATE users SET status = 'deleted', deleted_at = now() WHERE id = $1`, [
        owner,
      ]);
      for (const id of [owner, newId(), 'me', '1', '%00']) {
        await expectProblem(create(body(), admin, id), 404, 'not_found');
      }
    });

    it('needs user:write, and all that the account holds', async () => {
      const trader = await newSignedIn(service);
      const reader = await newHolder(service, ['user:read', 'authz:check']);
      const support = await newHolder(service, ['user:write', 'authz:check']);
      const before = await countKeys();
      await expectProblem(service.client().post(keysOf(owner), body()), 401, 'not_authenticated');
      await expectProblem(create(body(), trader), 403, 'permission_denied');
      await expectProblem(create(body(), reader), 403, 'permission_denied');
      // The account may read users, and support may not: a key to it would be a way up.
      await expectProblem(create(body(), support), 403, 'escalation_refused');
      expect(await countKeys()).toBe(before);
      const equal = await newHolder(service, ['user:write', 'user:read', 'authz:check']);
      await create(body(), equal).expect(201);
    });

    it('tells nobody who may not know it whether an account is there', async () => {
      const trader = await newSignedIn(service);
      await expectProblem(create(body(), trader, newId()), 403, 'permission_denied');
      await expectProblem(list('', trader, newId()), 403, 'permission_denied');
      await expectProblem(revoke(newId(), trader), 403, 'permission_denied');
    });

    it('stops at fifty keys that are in force, also when many are asked for at once', async () => {
      const { keyId } = await newKey(service, admin, owner, ['authz:check']);
      const soon = new Date(Date.now() + DAY).toISOString();
      await newKey(service, admin, owner, ['authz:check'], { expires_at: soon });
      await service.db.query(
        `INSERT INTO api_keys (id, user_id, name, prefix, key_hash, permissions, created_by, created_at)
         SELECT gen_random_uuid(), $1, 'x', 'us_live_xxxx', sha256(gen_random_uuid()::text::bytea), '{}', 'system', now()
         FROM generate_series(1, 43)`,
        [owner],
      );
      const replies = await Promise.all(Array.from({ length: 20 }, () => create(body())));
      expect(replies.filter(({ status }) => status === 201)).toHaveLength(5);
      expect(new Set(replies.filter(({ status }) => status !== 201).map((reply) => reply.body.code))).toEqual(
        new Set(['too_many_api_keys']),
      );
      await expectProblem(create(body()), 409, 'too_many_api_keys');
      await revoke(keyId).expect(204);
      await create(body()).expect(201);
      await expectProblem(create(body()), 409, 'too_many_api_keys');
      await service.db.query(
        `UPDATE api_keys SET expires_at = now() WHERE user_id = $1 AND expires_at = $2`,
        [owner, soon],
      );
      await create(body()).expect(201);
    });

    it('needs a session: no key makes keys, for itself or for others', async () => {
      await give(service, owner, 'user:write');
      const held = ['user:write', 'user:read', 'authz:check'];
      const { apiKey } = await newKey(service, admin, owner, held);
      const lesser = await newServiceAccount(service, 'authz:check');
      const before = await countKeys();
      for (const userId of [owner, lesser, admin.userId, newId()])
        await expectProblem(
          withKey(service.client().post(keysOf(userId), body()), apiKey),
          403,
          'session_required',
        );
      expect(await countKeys()).toBe(before);
    });

    it('gives none for longer than they hold it who make it', async () => {
      const end = Date.now() + DAY;
      const at = (ms: number) => new Date(ms).toISOString();
      const temp = await newHolder(service, ['authz:check', 'user:write']);
      await giveUntil(service, temp.userId, 'user:read', new Date(end));
      const before = await countKeys();
      for (const expires_at of [undefined, null, at(end + 1)])
        await expectProblem(
          create(body({ permissions: ['user:read'], expires_at }), temp),
          403,
          'escalation_refused',
        );
      expect(await countKeys()).toBe(before);
      await create(body({ permissions: ['user:read'], expires_at: at(end) }), temp).expect(201);
      await create(body({ permissions: ['authz:check'] }), temp).expect(201);
    });

    it('gives none what everybody has who signs up, but who makes it has not', async () => {
      const trading = await newServiceAccount(service, 'trading_account:trade', 'user:read');
      const support = await newHolder(service, ['user:write', 'user:read']);
      const make = (permission: string) => create(body({ permissions: [permission] }), support, trading);
      await expectProblem(make('trading_account:trade'), 403, 'escalation_refused');
      await make('user:read').expect(201);
    });

    it('deletes the keys of the account whose end is 30 days ago', async () => {
      const other = await newServiceAccount(service, 'authz:check');
      const made = async (userId: string, daysAgo: number | null): Promise<string> => {
        const { keyId } = await newKey(service, admin, userId, ['authz:check']);
        await service.db.query(
          `UPDATE api_keys SET expires_at = now() - $2::int * interval '1 day' WHERE id = $1`,
          [keyId, daysAgo],
        );
        return keyId;
      };
      const [, recent, endless, others] = [
        await made(owner, 31),
        await made(owner, 29),
        await made(owner, null),
        await made(other, 31),
      ];
      const { keyId } = await newKey(service, admin, owner, ['authz:check']);
      const idsOf = async (userId: string): Promise<string[]> =>
        (await list('', admin, userId).expect(200)).body.items.map((key: { key_id: string }) => key.key_id);
      expect(await idsOf(owner)).toEqual([keyId, endless, recent]);
      expect(await idsOf(other)).toEqual([others]);
    });
  });

  describe('GET /v1/users/{user_id}/api-keys', () => {
    it('lists newest first, in pages, without those that were revoked', async () => {
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) {
        const { keyId } = await newKey(service, admin, owner, ['authz:check'], { name: `key ${i}` });
        ids.unshift(keyId);
      }
      await newKey(service, admin, await newServiceAccount(service, 'authz:check'), ['authz:check']);
      const idsOf = ({ body: page }: { body: { items: { key_id: string }[] } }): string[] =>
        page.items.map(({ key_id: id }) => id);
      const all = await list().expect(200);
      expect(idsOf(all)).toEqual(ids);
      expect(all.body).toMatchObject({ total: 5, limit: 50, offset: 0, has_more: false });
      const first = await list('?limit=2').expect(200);
      expect(idsOf(first)).toEqual(ids.slice(0, 2));
      expect(first.body).toMatchObject({ total: 5, limit: 2, offset: 0, has_more: true });
      const last = await list('?limit=2&offset=4').expect(200);
      expect(idsOf(last)).toEqual(ids.slice(4));
      expect(last.body).toMatchObject({ total: 5, limit: 2, offset: 4, has_more: false });
      const beyond = await list('?offset=5').expect(200);
      expect(beyond.body).toMatchObject({ items: [], total: 5, has_more: false });
      await revoke(ids[1]!).expect(204);
      expect(idsOf(await list().expect(200))).toEqual(ids.filter((id) => id !== ids[1]));
    });

    it('lists expired keys, and nothing for a person', async () => {
      const end = new Date(Date.now() + DAY).toISOString();
      const { keyId } = await newKey(service, admin, owner, ['authz:check'], { expires_at: end });
      await service.db.query(`UPDATE api_keys SET expires_at = now() - interval '1 day' WHERE id = $1`, [
        keyId,
      ]);
      expect((await list().expect(200)).body.total).toBe(1);
      expect((await list('', admin, admin.userId).expect(200)).body).toEqual({
        items: [],
        total: 0,
        limit: 50,
        offset: 0,
        has_more: false,
      });
    });

    it.each([
      ['limit=0', 'limit'],
      ['limit=201', 'limit'],
      ['limit=-1', 'limit'],
      ['limit=', 'limit'],
      ['limit=1e1', 'limit'],
      ['limit=0x10', 'limit'],
      ['limit=1.5', 'limit'],
      ['limit=1&limit=2', 'limit'],
      ['limit[]=1', undefined],
      ['offset=-1', 'offset'],
      ['offset=a', 'offset'],
      ['offset=99999999999999999999', 'offset'],
    ])('takes no %s', async (query, field) => {
      if (field) await expectInvalid(list(`?${query}`), field);
      // Another member, which is ignored like any other that nobody knows.
      else expect((await list(`?${query}`).expect(200)).body.limit).toBe(50);
    });

    it('needs user:read, and answers 404 for an unknown account', async () => {
      const writer = await newHolder(service, ['user:write']);
      const reader = await newHolder(service, ['user:read']);
      await expectProblem(service.client().get(keysOf(owner)), 401, 'not_authenticated');
      await expectProblem(list('', writer), 403, 'permission_denied');
      await list('', reader).expect(200);
      for (const id of [newId(), 'x']) await expectProblem(list('', reader, id), 404, 'not_found');
    });
  });

  describe('DELETE /v1/api-keys/{key_id}', () => {
    it('ends the key at once, with an event, and is then 404', async () => {
      const { apiKey, keyId } = await newKey(service, admin, owner, ['user:read']);
      const call = () => withKey(service.client().get(keysOf(owner)), apiKey);
      await call().expect(200);
      await revoke(keyId.toUpperCase()).expect(204);
      await expectProblem(call(), 401, 'invalid_api_key');
      await expectProblem(revoke(keyId), 404, 'not_found');
      const [event, ...more] = await service.db.query(
        `SELECT actor, resource, data, priority FROM events WHERE subject = $1 AND event_type = 'api_key.revoked'`,
        [`user:${owner}`],
      );
      expect(more).toEqual([]);
      expect(event).toEqual({
        actor: `user:${admin.userId}`,
        resource: `api_key:${keyId}`,
        priority: 'high',
        data: { api_key_id: keyId },
      });
    });

    it('gives one 204 and one event when twenty arrive at once', async () => {
      const { keyId } = await newKey(service, admin, owner, ['authz:check']);
      const replies = await Promise.all(Array.from({ length: 20 }, () => revoke(keyId)));
      expect(replies.map(({ status }) => status).sort()).toEqual([204, ...Array<number>(19).fill(404)]);
      expect(await eventsOf(service, owner, 'api_key.revoked')).toHaveLength(1);
    });

    it('answers 404 for an unknown key and for what is no id', async () => {
      for (const id of [newId(), owner, 'x', 'us_live_0123', '%00']) {
        await expectProblem(revoke(id), 404, 'not_found');
      }
    });

    it('needs user:write, and all that the account holds', async () => {
      const { apiKey, keyId } = await newKey(service, admin, owner, ['user:read']);
      const reader = await newHolder(service, ['user:read', 'authz:check']);
      const support = await newHolder(service, ['user:write', 'user:read']);
      await expectProblem(service.client().delete(`/v1/api-keys/${keyId}`), 401, 'not_authenticated');
      await expectProblem(revoke(keyId, reader), 403, 'permission_denied');
      await expectProblem(revoke(keyId, support), 403, 'escalation_refused');
      await withKey(service.client().get(keysOf(owner)), apiKey).expect(200);
      expect(await eventsOf(service, owner, 'api_key.revoked')).toEqual([]);
      const equal = await newHolder(service, ['user:write', 'user:read', 'authz:check']);
      await revoke(keyId, equal).expect(204);
    });

    it('is not a service’s to call for a service that may do more', async () => {
      const [lesser, other] = [await newServiceAccount(service, 'user:write'), owner];
      const { apiKey, keyId: own } = await newKey(service, admin, lesser, ['user:write']);
      const { keyId } = await newKey(service, admin, other, ['user:read']);
      const by = (id: string) => withKey(service.client().delete(`/v1/api-keys/${id}`), apiKey);
      await expectProblem(by(keyId), 403, 'escalation_refused');
      // Its own key it may throw away.
      await by(own).expect(204);
      await expectProblem(by(own), 401, 'invalid_api_key');
    });
  });

  describe('of an account that goes', () => {
    it('are revoked with an event each, in the transaction of whoever deletes it', async () => {
      const keys = await Promise.all(
        Array.from({ length: 3 }, () => newKey(service, admin, owner, ['user:read'])),
      );
      const other = await newServiceAccount(service, 'user:read');
      const kept = await newKey(service, admin, other, ['user:read']);
      const revoking = service.app.get(RevokeApiKeys);
      const caller = systemCaller(newId());
      const undone = service.db.transaction(async (tx) => {
        expect(await revoking.ofUser(tx, caller, owner)).toBe(3);
        throw new Error('changed my mind');
      });
      await expect(undone).rejects.toThrow('changed my mind');
      for (const { apiKey } of keys) await withKey(service.client().get(keysOf(owner)), apiKey).expect(200);

      expect(await service.db.transaction((tx) => revoking.ofUser(tx, caller, owner))).toBe(3);
      expect(await service.db.transaction((tx) => revoking.ofUser(tx, caller, owner))).toBe(0);
      for (const { apiKey } of keys) {
        await expectProblem(withKey(service.client().get(keysOf(other)), apiKey), 401, 'invalid_api_key');
      }
      await withKey(service.client().get(keysOf(other)), kept.apiKey).expect(200);
      const events = await eventsOf(service, owner, 'api_key.revoked');
      expect(new Set(events.map(({ data }) => data.api_key_id))).toEqual(
        new Set(keys.map(({ keyId }) => keyId)),
      );
      expect(events.every(({ actor }) => actor === 'system')).toBe(true);
    });

    it('cost no more than fifty events, however many have expired', async () => {
      await addKeys(owner, 3_000, `now() - interval '1 s'`);
      await addKeys(owner, 50, 'NULL');
      const { body: deleted } = await service
        .client()
        .delete(`/v1/users/${owner}`, admin.accessToken)
        .expect(200);
      expect(deleted.message).toBe('The account was deleted.');
      expect(await eventsOf(service, owner, 'api_key.revoked')).toHaveLength(50);
      const [event] = await eventsOf(service, owner, 'user.deleted');
      expect(event!.data.api_keys_revoked).toBe(50);
    });

    it('wait for no last use that is being written, and it for none of them, for ever', async () => {
      const warned = jest.spyOn(Logger.prototype, 'warn');
      const usage = service.app.get(ApiKeyUsage);
      // In the table the last key comes first.
      await addKeys(
        owner,
        40,
        'NULL',
        `('0192f0a4-0000-7000-8000-' || lpad((100 - n)::text, 12, '0'))::uuid`,
      );
      const rows = await service.db.query<{ id: string }[]>(
        `SELECT id FROM api_keys WHERE user_id = $1 ORDER BY id`,
        [owner],
      );
      const held = service.db.createQueryRunner();
      await held.startTransaction();
      await held.query(`SELECT FROM api_keys WHERE id = $1 FOR NO KEY UPDATE`, [rows[20]!.id]);
      for (const { id } of rows) usage.note(id);
      const flushing = usage.flush();
      const deleting = service
        .client()
        .delete(`/v1/users/${owner}`, admin.accessToken)
        .then((reply) => reply);
      await waitingForLocks(service, 2);
      await held.commitTransaction();
      await held.release();
      await flushing;
      expect((await deleting).status).toBe(200);
      expect(warned).not.toHaveBeenCalled();
      warned.mockRestore();
      const [{ written }] = await service.db.query(
        `SELECT count(*)::int AS written FROM api_keys WHERE user_id = $1 AND last_used_at IS NOT NULL`,
        [owner],
      );
      expect(written).toBe(40);
    });

    it('are not made beside a suspension that is under way', async () => {
      const suspension = service.db.createQueryRunner();
      await suspension.startTransaction();
      await suspension.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [owner]);
      const making = create(body()).then((reply) => reply);
      await new Promise((resolve) => setTimeout(resolve, 150));
      await suspension.commitTransaction();
      await suspension.release();
      const reply = await making;
      expect([reply.status, reply.body.code]).toEqual([409, 'conflict']);
    });
  });

  it('are not for a suspended administrator to make', async () => {
    const gone = await newAdministrator(service);
    await setStatus(service, gone.person.email, 'suspended');
    await expectProblem(create(body(), gone), 403, 'permission_denied');
  });
});
