import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Decision, Decisions } from '../src/authz/decisions.service';
import { PermissionCache } from '../src/authz/permission-cache';
import { LEASE_MS } from '../src/infra/near/near-lease';
import { eventually, startService, TestService } from './support/app';
import { check, grant, GRANTS, revoke, rolesOf, settled } from './support/authority';
import { eventsOf } from './support/account-rows';
import { callAll, expectUnavailable, slowest, statuses } from './support/outage';
import { newAdministrator, newSignedIn, SignedIn } from './support/people';
import { OwnServers, startOwnServers } from './support/servers';

const READERS = 'near:{readers}';

describe('decisions', () => {
  let servers: OwnServers;
  let service: TestService;
  let decisions: Decisions;
  let admin: SignedIn;
  let user: SignedIn;
  beforeAll(async () => {
    servers = await startOwnServers();
    service = await startService(
      {},
      { databaseUrl: servers.databaseUrl, redisUrl: servers.redisUrl, drop: () => Promise.resolve() },
    );
    decisions = service.app.get(Decisions);
    admin = await newAdministrator(service);
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await servers.stop();
  });
  beforeEach(async () => {
    user = await newSignedIn(service);
  });

  const may = (permission: string): Promise<Decision> => decisions.check(user.userId, permission);
  const works = async (): Promise<void> => {
    await eventually(
      async () => {
        const replies = await Promise.all([
          service.client().get('/health/ready'),
          service.client().get('/v1/users/me', admin.accessToken),
        ]);
        return replies.every(({ status }) => status === 200);
      },
      'recovery',
      20_000,
    );
  };
  /** Not at once: the relay clears what has changed lately, when it is connected again. */
  const caches = async (): Promise<void> => {
    await eventually(async () => (await may('user:fly')).cached, 'an answer out of the cache');
  };
  /** As another instance does it that still reaches both stores, or an operator by hand. */
  const revokeInPostgres = (id: string) =>
    service.db.query(`DELETE FROM user_permissions WHERE id = $1`, [id]);
  const calls = (body: object) => {
    const post = (path: string, sent: object, token: string) => ({ method: 'POST', path, body: sent, token });
    return {
      check: post('/v1/authz/check', { permission: 'user:read' }, user.accessToken),
      list: { method: 'GET', path: GRANTS, token: user.accessToken },
      grant: post(GRANTS, body, admin.accessToken),
      roles: {
        method: 'PUT',
        path: `/v1/users/${user.userId}/roles`,
        body: { roles: ['admin'] },
        token: admin.accessToken,
      },
    };
  };

  describe('while Redis', () => {
    it.each<[string, () => Promise<void> | void, () => Promise<void> | void]>([
      ['is away', () => servers.killRedis(), () => servers.restartRedis()],
      ['hangs', () => servers.freezeRedis(), () => servers.thawRedis()],
    ])(
      '%s, come from PostgreSQL and are right; nothing can be changed',
      async (_how, stop, start) => {
        const id = await grant(service, admin, user.userId, 'user:read');
        await settled(service);
        await may('user:read');
        expect(await may('user:read')).toEqual({ allowed: true, reason: 'direct', cached: true });
        await stop();
        // For so long a process may answer from memory.
        await sleep(LEASE_MS);
        try {
          expect(await may('user:read')).toEqual({ allowed: true, reason: 'direct', cached: false });
          expect(await may('user:write')).toEqual({ allowed: false, reason: 'no_permission', cached: false });
          const answers = await callAll(service, calls({ user_id: user.userId, permission: 'audit:read' }));
          expect(statuses(answers)).toEqual({ check: 503, list: 503, grant: 503, roles: 503 });
          expectUnavailable(answers);
          expect(slowest(answers)).toBeLessThan(2_500);
          const cache = service.app.get(PermissionCache);
          const change = jest.fn(() => Promise.resolve());
          await expect(cache.whileChanging(user.userId, change)).rejects.toThrow();
          expect(change).not.toHaveBeenCalled();
          await revokeInPostgres(id);
          expect(await may('user:read')).toEqual({ allowed: false, reason: 'no_permission', cached: false });
        } finally {
          await start();
        }
        await works();
        await caches();
        expect(await rolesOf(service, user.userId)).toEqual(['trader']);
        expect(await eventsOf(service, user.userId, 'permission.granted')).toHaveLength(1);
      },
      30_000,
    );

    it('was away, do not come from what it remembers', async () => {
      const id = await grant(service, admin, user.userId, 'user:read');
      await settled(service);
      await may('user:read');
      expect(await may('user:read')).toMatchObject({ allowed: true, cached: true });
      // To disk, entry and all.
      await service.redis.save();
      await servers.killRedis();
      await revokeInPostgres(id);
      await servers.restartRedis();
      const answer = await eventually(
        async () => {
          const decision = await may('user:read');
          expect(decision.allowed).toBe(false);
          return decision.cached && decision;
        },
        'an answer out of the cache',
        15_000,
      );
      expect(answer).toEqual({ allowed: false, reason: 'no_permission', cached: true });
      await works();
    }, 30_000);

    it('dies in the middle of a change, are those of the change', async () => {
      const id = await grant(service, admin, user.userId, 'user:read');
      await settled(service);
      await may('user:read');
      await service.redis.save();
      await service.app.get(PermissionCache).whileChanging(user.userId, async () => {
        await revokeInPostgres(id);
        await servers.killRedis();
      });
      expect(await may('user:read')).toMatchObject({ allowed: false, cached: false });
      await servers.restartRedis();
      await works();
      // Its fence may have come back with it, and stays for a while.
      for (let i = 0; i < 3; i++) expect(await may('user:read')).toMatchObject({ allowed: false });
    }, 30_000);
  });

  describe('while PostgreSQL', () => {
    it.each<[string, () => Promise<void> | void, () => Promise<void> | void]>([
      ['is away', () => servers.killPostgres(), () => servers.restartPostgres()],
      ['hangs', () => servers.freezePostgres(), () => servers.thawPostgres()],
    ])(
      '%s, come from the cache, and where it has none there are none',
      async (_how, stop, start) => {
        await settled(service);
        await may('user:read');
        await stop();
        try {
          expect(await may('trading_account:view')).toEqual({ allowed: true, reason: 'role', cached: true });
          await expect(decisions.check(randomUUID(), 'trading_account:view')).rejects.toThrow();
          const answers = await callAll(service, calls({ user_id: user.userId, permission: 'audit:read' }));
          expect(statuses(answers)).toEqual({ check: 200, list: 503, grant: 503, roles: 503 });
          expectUnavailable(answers);
          expect(slowest(answers)).toBeLessThan(4_000);
        } finally {
          await start();
        }
        await works();
        // The fence of a change whose end nobody knows has to fall first.
        await service.redis.del(`authz:{${user.userId}}`);
        await caches();
        expect(await rolesOf(service, user.userId)).toEqual(['trader']);
        expect(await check(service, user.accessToken, 'audit:read')).toMatchObject({ allowed: false });
      },
      30_000,
    );
  });

  describe('changed while Redis loses the fence', () => {
    const silent = randomUUID();
    let someone: string;
    beforeEach(() => (someone = randomUUID()));
    afterEach(() => service.redis.hdel(READERS, silent));
    const cache = () => service.app.get(PermissionCache);
    const get = (data: string) => cache().get(someone, () => Promise.resolve(data));
    /** How long a change takes, in the middle of which a process appears that answers nobody. */
    const timeOf = async (meanwhile: () => Promise<unknown>): Promise<number> => {
      const began = performance.now();
      await cache().whileChanging(someone, async () => {
        await meanwhile();
        await service.redis.hset(READERS, silent, Date.now() + 10_000);
      });
      return performance.now() - began;
    };
    const loseTheFence = async (): Promise<void> => {
      await service.redis.del(`authz:{${someone}}`);
      expect(await get('old')).toEqual({ data: 'old', cached: false });
      expect(await get('new')).toEqual({ data: 'old', cached: true });
    };

    it('are not what another process remembers of before', async () => {
      expect(await timeOf(loseTheFence)).toBeGreaterThan(LEASE_MS);
      expect(await get('new')).toEqual({ data: 'new', cached: false });
    });

    it('wait for nobody where it stood: nothing was remembered behind it', async () => {
      await eventually(async () => {
        await service.redis.hdel(READERS, silent);
        return (await timeOf(() => get('old'))) < LEASE_MS;
      }, 'a change that does not wait');
    });

    it('are not what was filled before the commit, though the connection is another one by then', async () => {
      await cache().whileChanging(someone, async () => {
        await loseTheFence();
        service.redis.disconnect(true);
      });
      await eventually(async () => service.redis.status === 'ready', 'the next connection');
      expect(await get('new')).toEqual({ data: 'new', cached: false });
    });
  });

  it('are none while both are away', async () => {
    await may('user:read');
    await Promise.all([servers.killRedis(), servers.killPostgres()]);
    try {
      for (const permission of ['trading_account:view', 'user:read'])
        await expect(may(permission)).rejects.toThrow();
      await expect(decisions.permissionsOf(user.userId)).rejects.toThrow();
      const answers = await callAll(service, calls({ user_id: user.userId, permission: 'audit:read' }));
      expect(statuses(answers)).toEqual({ check: 503, list: 503, grant: 503, roles: 503 });
    } finally {
      await Promise.all([servers.restartRedis(), servers.restartPostgres()]);
    }
    await works();
    expect(await may('trading_account:view')).toMatchObject({ allowed: true });
  }, 30_000);

  it('hold for a revocation after all of it', async () => {
    const id = await grant(service, admin, user.userId, 'user:read');
    await revoke(service, admin, id).expect(204);
    expect(await may('user:read')).toMatchObject({ allowed: false });
  });
});
