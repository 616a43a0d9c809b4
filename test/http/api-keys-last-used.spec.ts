import { Logger } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { ApiKeyUsage } from '../../src/api-keys/api-key-usage';
import { startService, TestService } from '../support/app';
import { newAdministrator, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { keysOf, newKey, NewKey, newServiceAccount, withKey } from '../support/services';

describe('when an API key was used last', () => {
  let service: TestService;
  let admin: SignedIn;
  let owner: string;
  let key: NewKey;
  const others: TestService[] = [];
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    owner = await newServiceAccount(service, 'user:read');
    key = await newKey(service, admin, owner, ['user:read']);
  });

  afterEach(() => stopOthers());

  const another = async (): Promise<TestService> => {
    const other = await service.another();
    others.push(other);
    return other;
  };
  const stopOthers = () => Promise.all(others.splice(0).map((other) => other.stop()));
  const call = (on = service, apiKey = key.apiKey) => withKey(on.client().get(keysOf(owner)), apiKey);
  const flush = (on = service) => on.app.get(ApiKeyUsage).flush();
  const lastUsed = async (): Promise<number | null> => {
    const { body } = await service.client().get(keysOf(owner), admin.accessToken).expect(200);
    const [item] = body.items.filter(({ key_id: id }: { key_id: string }) => id === key.keyId);
    return item.last_used_at === null ? null : Date.parse(item.last_used_at);
  };

  it('is written once for two hundred requests, not by any of them', async () => {
    const asked = jest.spyOn(service.app.get(EntityManager), 'query');
    const writes = () => asked.mock.calls.filter(([text]) => /update\s+api_keys/i.test(text));
    const begin = Date.now();
    for (let i = 0; i < 10; i++) {
      await Promise.all(Array.from({ length: 20 }, () => call().expect(200)));
    }
    const end = Date.now();
    expect(writes()).toEqual([]);
    expect(await lastUsed()).toBeNull();
    await flush();
    expect(writes()).toHaveLength(1);
    asked.mockRestore();
    const at = await lastUsed();
    expect(at).toBeGreaterThan(begin);
    expect(at).toBeLessThanOrEqual(end);
    await flush();
    expect(await lastUsed()).toBe(at);
  });

  it('counts also where the call is then refused, and not for what is no key any more', async () => {
    const write = () => withKey(service.client().patch(`/v1/users/${owner}`, {}), key.apiKey);
    await expectProblem(write(), 403, 'permission_denied');
    await flush();
    const at = await lastUsed();
    expect(at).not.toBeNull();
    await service.db.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [owner]);
    await expectProblem(call(), 401, 'invalid_api_key');
    await flush();
    expect(await lastUsed()).toBe(at);
  });

  it('never moves back, whichever instance writes last', async () => {
    const other = await another();
    other.advance(-60_000);
    await call(other).expect(200);
    await call().expect(200);
    await flush();
    const at = await lastUsed();
    await flush(other);
    expect(await lastUsed()).toBe(at);
  });

  it('is written by an instance that stops, and by several at once', async () => {
    await Promise.all([another(), another(), another()]);
    const keys = await Promise.all(
      Array.from({ length: 10 }, () => newKey(service, admin, owner, ['user:read'])),
    );
    for (const other of others) {
      await Promise.all(keys.map(({ apiKey }) => call(other, apiKey).expect(200)));
    }
    await call(others[0]).expect(200);
    expect(await lastUsed()).toBeNull();
    await stopOthers();
    expect(await lastUsed()).not.toBeNull();
    const { body } = await service.client().get(keysOf(owner), admin.accessToken).expect(200);
    expect(body.items).toHaveLength(11);
    expect(body.items.every((item: { last_used_at: unknown }) => item.last_used_at !== null)).toBe(true);
  });

  it('is written by instances at the same time without a deadlock, whatever the order of use', async () => {
    const other = await another();
    const warned = jest.spyOn(Logger.prototype, 'warn');
    await service.db.query(
      `INSERT INTO api_keys (id, user_id, name, prefix, key_hash, permissions, created_by, created_at)
       SELECT gen_random_uuid(), $1, 'x', 'us_live_xxxx', sha256(gen_random_uuid()::text::bytea), '{}', 'system', now()
       FROM generate_series(1, 400)`,
      [owner],
    );
    const rows = await service.db.query(`SELECT id FROM api_keys WHERE user_id = $1`, [owner]);
    const ids: string[] = rows.map(({ id }: { id: string }) => id);
    for (let round = 1; round <= 15; round++) {
      const at = Date.now() + round * 1_000;
      for (const id of ids) service.app.get(ApiKeyUsage).note(id, at);
      for (const id of [...ids].reverse()) other.app.get(ApiKeyUsage).note(id, at + 500);
      await Promise.all([flush(), flush(other)]);
    }
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
    const [{ times }] = await service.db.query(
      `SELECT count(DISTINCT last_used_at)::int AS times FROM api_keys WHERE user_id = $1`,
      [owner],
    );
    expect(times).toBe(1);
  });
});
