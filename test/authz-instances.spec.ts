import { setTimeout as sleep } from 'node:timers/promises';
import { Decisions } from '../src/authz/decisions.service';
import { startService, TestService } from './support/app';
import { check, grant, GRANTS, newHolder, revoke, setRoles, settled } from './support/authority';
import { newAdministrator, newSignedIn, SignedIn } from './support/people';
import { expectInvalid, expectProblem } from './support/problem';

const MINUTE = 60_000;

describe('what is decided on one instance', () => {
  let one: TestService;
  let other: TestService;
  let admin: SignedIn;
  let user: SignedIn;
  beforeAll(async () => {
    one = await startService();
    other = await one.another();
    admin = await newAdministrator(one);
  });
  afterAll(async () => {
    await other.stop();
    await one.stop();
  });
  beforeEach(async () => {
    user = await newSignedIn(one);
  });

  /** As an administrator sees it from the other instance. */
  const seen = (permission: string) => check(other, admin.accessToken, permission, user.userId);
  const refused = (reason: string) => ({ allowed: false, reason, cached: false });
  const heat = async (permission: string, allowed = true): Promise<void> => {
    await settled(one);
    await seen(permission);
    expect(await seen(permission)).toMatchObject({ allowed, cached: true });
  };

  it('counts on the other with the next check: a grant, and its end', async () => {
    await heat('user:read', false);
    const id = await grant(one, admin, user.userId, 'user:read');
    expect(await seen('user:read')).toEqual({ allowed: true, reason: 'direct', cached: false });
    await heat('user:read');
    await revoke(one, admin, id).expect(204);
    expect(await seen('user:read')).toEqual(refused('no_permission'));
  });

  it('counts on the other with the next check: a role', async () => {
    await heat('trading_account:view');
    await setRoles(one, admin, user.userId, []).expect(200);
    expect(await seen('trading_account:view')).toEqual(refused('no_permission'));
    await setRoles(one, admin, user.userId, ['viewer']).expect(200);
    expect(await seen('trading_account:view')).toEqual({ allowed: true, reason: 'role', cached: false });
  });

  it('counts on the other with the next check: a suspension, and its end', async () => {
    await heat('trading_account:view');
    await one.client().post(`/v1/users/${user.userId}/suspend`, {}, admin.accessToken).expect(200);
    expect(await seen('trading_account:view')).toEqual(refused('account_not_active'));
    await one.client().post(`/v1/users/${user.userId}/reactivate`, {}, admin.accessToken).expect(200);
    expect(await seen('trading_account:view')).toMatchObject({ allowed: true, cached: false });
  });

  it('counts on the other with the next check: a deletion', async () => {
    await heat('trading_account:view');
    const reply = await one.client().delete(`/v1/users/${user.userId}`, admin.accessToken);
    expect([200, 204]).toContain(reply.status);
    const about = { permission: 'trading_account:view', user_id: user.userId };
    await expectProblem(other.client().post('/v1/authz/check', about, admin.accessToken), 404, 'not_found');
    const decision = await other.app.get(Decisions).check(user.userId, 'trading_account:view');
    expect(decision).toMatchObject({ allowed: false, reason: 'account_not_active' });
  });

  it('closes the routes of both to an administrator who is none any more, whatever the token says', async () => {
    const former = await newAdministrator(one);
    const open = (service: TestService) => service.client().post(GRANTS, {}, former.accessToken);
    for (const service of [one, other]) await expectInvalid(open(service), 'user_id', 'permission');
    await setRoles(one, admin, former.userId, ['trader']).expect(200);
    for (const service of [other, one]) await expectProblem(open(service), 403, 'permission_denied');
    for (const service of [other, one])
      await service.client().get('/v1/users/me', former.accessToken).expect(200);
  });

  it('ends by itself, while it is in the cache', async () => {
    await grant(one, admin, user.userId, 'user:read', new Date(Date.now() + 10 * MINUTE));
    await heat('user:read');
    const decisions = other.app.get(Decisions);
    other.advance(9 * MINUTE);
    expect(await decisions.check(user.userId, 'user:read')).toMatchObject({ allowed: true, cached: true });
    other.advance(MINUTE);
    expect(await decisions.check(user.userId, 'user:read')).toMatchObject({
      allowed: false,
      reason: 'no_permission',
      cached: true,
    });
    expect(await decisions.permissionsOf(user.userId)).not.toContain('user:read');
    other.advance(-10 * MINUTE);
  });

  it('leaves the role where a grant of the same permission ends', async () => {
    await grant(one, admin, user.userId, 'trading_account:view', new Date(Date.now() + MINUTE));
    await heat('trading_account:view');
    other.advance(2 * MINUTE);
    const decision = await other.app.get(Decisions).check(user.userId, 'trading_account:view');
    expect(decision).toMatchObject({ allowed: true, reason: 'role', cached: true });
    other.advance(-2 * MINUTE);
  });

  it('is never allowed again on the other once it is revoked: 200 rounds among readers that never rest', async () => {
    const decisions = other.app.get(Decisions);
    const late: string[] = [];
    let round = 0;
    let isOver = false;
    let isRevoked = false;
    let cached = 0;
    const read = async (ask: () => Promise<{ allowed: boolean; cached: boolean }>): Promise<void> => {
      while (!isOver) {
        const began = { round, isRevoked };
        const answer = await ask();
        if (answer.cached) cached++;
        // Still the round it began in, and nobody has granted it again.
        if (answer.allowed && began.isRevoked && isRevoked && began.round === round)
          late.push(`round ${round}, cached: ${answer.cached}`);
        await sleep(2);
      }
    };
    const readers = [
      ...Array.from({ length: 4 }, () => read(() => decisions.check(user.userId, 'user:read'))),
      read(() => check(other, user.accessToken, 'user:read')),
    ];
    try {
      for (round = 1; round <= 200; round++) {
        isRevoked = false;
        const id = await grant(one, admin, user.userId, 'user:read');
        expect(await decisions.check(user.userId, 'user:read')).toMatchObject({ allowed: true });
        expect(await decisions.check(user.userId, 'user:read')).toMatchObject({ allowed: true });
        await revoke(one, admin, id).expect(204);
        isRevoked = true;
        expect(await decisions.check(user.userId, 'user:read')).toMatchObject({ allowed: false });
        if (round % 10 === 0)
          expect(await check(other, user.accessToken, 'user:read')).toMatchObject({ allowed: false });
      }
    } finally {
      isOver = true;
      await Promise.all(readers);
    }
    expect(late).toEqual([]);
    expect(cached).toBeGreaterThan(200);
  }, 90_000);

  it('is never allowed again, where both give and take at once', async () => {
    const steward = await newHolder(one, [
      'authz:grant',
      'user:read',
      'trading_account:view',
      'trading_account:link',
      'trading_account:trade',
    ]);
    for (let i = 0; i < 20; i++) {
      const id = await grant(other, steward, user.userId, 'user:read');
      await Promise.all([
        revoke(i % 2 ? one : other, admin, id).expect(204),
        setRoles(i % 2 ? other : one, admin, user.userId, i % 2 ? ['trader'] : ['viewer']).expect(200),
        ...[one, other].map((service) => check(service, user.accessToken, 'user:read')),
      ]);
      for (const service of [one, other]) {
        expect(await check(service, user.accessToken, 'user:read')).toMatchObject({ allowed: false });
        expect(await check(service, user.accessToken, 'trading_account:trade')).toMatchObject({
          allowed: i % 2 === 1,
        });
      }
    }
  });
});
