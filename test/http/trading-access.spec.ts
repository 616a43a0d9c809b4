import { newId } from '../../src/common/ids';
import { startService, TestService } from '../support/app';
import { newHolder } from '../support/authority';
import {
  accountsInToken,
  addMember,
  checkAccount,
  mayDo,
  membersOf,
  newTrader,
  removeMember,
} from '../support/members';
import { newAdministrator, SignedIn } from '../support/people';
import { newKey, newServiceAccount, withKey } from '../support/services';
import { newSupporter } from '../support/support-role';
import { shareAccount, storeAccount } from '../support/trading-accounts';

const HOUR = 3_600_000;
const refused = { allowed: false, reason: 'no_access_to_resource', cached: false };

describe('access to a trading account', () => {
  let service: TestService;
  let owner: SignedIn;
  let ravi: SignedIn;
  let account: string;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    [owner, ravi] = await Promise.all([newTrader(service), newTrader(service)]);
    account = (await storeAccount(service, owner.userId)).accountId;
  });

  const check = (who: SignedIn, permission: string, about?: string) =>
    checkAccount(service, who, permission, account, about);
  const profileAccounts = async (who: SignedIn): Promise<string[]> =>
    (await service.client().get('/v1/users/me', who.accessToken).expect(200)).body.trading_accounts;

  describe('as checks tell it', () => {
    it('is its owner’s by ownership, and nobody else’s', async () => {
      for (const action of ['view', 'trade', 'manage', 'link']) {
        expect(await check(owner, `trading_account:${action}`)).toEqual({
          allowed: true,
          reason: 'ownership',
          cached: false,
        });
        expect(await check(ravi, `trading_account:${action}`)).toEqual(refused);
      }
      const admin = await newAdministrator(service);
      expect(await check(admin, 'trading_account:view')).toEqual(refused);
      expect(await checkAccount(service, owner, 'trading_account:view', newId())).toEqual(refused);
      expect(await checkAccount(service, owner, 'trading_account:view', account.toUpperCase())).toMatchObject(
        {
          allowed: true,
        },
      );
    });

    it.each([
      [['view'], ['view']],
      [
        ['view', 'trade'],
        ['view', 'trade'],
      ],
      [['manage'], ['view', 'manage']],
      [
        ['trade', 'manage'],
        ['view', 'trade', 'manage'],
      ],
    ] as const)('is a member’s by membership, as far as it goes: %j', async (given, allowed) => {
      await addMember(service, owner, account, ravi, [...given]);
      expect(await check(ravi, 'trading_account:view')).toEqual({
        allowed: true,
        reason: 'membership',
        cached: false,
      });
      expect(await mayDo(service, ravi, account)).toEqual(allowed);
      expect(await check(ravi, 'trading_account:link')).toEqual(refused);
    });

    it('takes the permission of the platform as well', async () => {
      const viewer = await newHolder(service, ['trading_account:view']);
      await shareAccount(service, account, viewer.userId, ['view', 'trade', 'manage']);
      expect(await mayDo(service, viewer, account)).toEqual(['view']);
      expect(await check(viewer, 'trading_account:trade')).toMatchObject({
        allowed: false,
        reason: 'no_permission',
      });
    });

    it('is nothing that other permissions have, to the credentials least of all', async () => {
      const admin = await newAdministrator(service);
      const own = await storeAccount(service, admin.userId);
      for (const permission of ['trading_credentials:read', 'user:read', 'authz:check'])
        expect(await checkAccount(service, admin, permission, own.accountId)).toEqual(refused);
    });

    it('is told of somebody else to whoever may ask, with an API key too', async () => {
      await addMember(service, owner, account, ravi, ['trade']);
      const admin = await newAdministrator(service);
      const gateway = await newServiceAccount(service, 'authz:check', 'trading_account:trade');
      const { apiKey } = await newKey(service, admin, gateway, ['authz:check', 'trading_account:trade']);
      const ask = async (permission: string, about?: string): Promise<unknown> => {
        const body = { permission, resource: `trading_account:${account}`, user_id: about };
        return (await withKey(service.client().post('/v1/authz/check', body), apiKey).expect(200)).body;
      };
      for (const tell of [ask, (permission: string, about: string) => check(admin, permission, about)]) {
        expect(await tell('trading_account:trade', ravi.userId)).toMatchObject({ reason: 'membership' });
        expect(await tell('trading_account:manage', ravi.userId)).toEqual(refused);
        expect(await tell('trading_account:manage', owner.userId)).toMatchObject({ reason: 'ownership' });
      }
      // Of itself: what the key lets through, and nobody shares with a service.
      expect(await ask('trading_account:trade')).toEqual(refused);
      expect(await ask('trading_account:view')).toMatchObject({ allowed: false, reason: 'no_permission' });
    });

    it('is gone at once on every instance when the membership is removed, warm caches or not', async () => {
      const other = await service.another();
      try {
        const membership = await addMember(service, owner, account, ravi, ['trade']);
        for (let i = 0; i < 2; i++)
          expect(await checkAccount(other, ravi, 'trading_account:trade', account)).toMatchObject({
            reason: 'membership',
          });
        await removeMember(service, owner, account, membership).expect(204);
        expect(await checkAccount(other, ravi, 'trading_account:trade', account)).toEqual(refused);
        expect(await check(ravi, 'trading_account:trade')).toEqual(refused);
        // And there at once when it is given again.
        await addMember(other, owner, account, ravi, ['view']);
        expect(await mayDo(service, ravi, account)).toEqual(['view']);
      } finally {
        await other.stop();
      }
    });

    it('ends with the membership’s time, without anybody doing anything', async () => {
      const end = new Date(Date.now() + HOUR).toISOString();
      await addMember(service, owner, account, ravi, ['trade'], { expires_at: end });
      const later = await service.another();
      try {
        expect(await checkAccount(later, ravi, 'trading_account:trade', account)).toMatchObject({
          allowed: true,
        });
        // Access tokens live shorter than that: an API key asks.
        later.advance(10 * 60_000);
        expect(await mayDo(later, ravi, account)).toEqual(['view', 'trade']);
        const short = new Date(Date.now() + 12 * 60_000).toISOString();
        await service.db.query(`UPDATE trading_account_members SET expires_at = $1`, [short]);
        later.advance(3 * 60_000);
        expect(await checkAccount(later, ravi, 'trading_account:trade', account)).toEqual(refused);
        expect(await accountsInToken(later, ravi)).toEqual([]);
      } finally {
        await later.stop();
      }
    });

    it.each<[string, (ownerId: string) => Promise<unknown>]>([
      ['its owner is suspended', (id) => setUser(id, `status = 'suspended'`)],
      ['its owner is deactivated', (id) => setUser(id, `status = 'deactivated'`)],
      ['its owner is deleted', (id) => setUser(id, `status = 'deleted', deleted_at = now()`)],
      [
        'it is unlinked',
        (id) =>
          service.db.query(
            `UPDATE trading_accounts SET status = 'unlinked', unlinked_at = now(), wrapped_data_key = NULL
             WHERE user_id = $1`,
            [id],
          ),
      ],
    ])('is nobody’s once %s', async (_what, happen) => {
      await addMember(service, owner, account, ravi, ['trade', 'manage']);
      expect(await accountsInToken(service, ravi)).toEqual([account]);
      await happen(owner.userId);
      expect(await mayDo(service, ravi, account)).toEqual([]);
      expect(await accountsInToken(service, ravi)).toEqual([]);
      expect(await profileAccounts(ravi)).toEqual([]);
      const { status, body } = await service.client().get(membersOf(account), ravi.accessToken);
      expect([status, body.code]).toEqual([404, 'not_found']);
    });

    it('is its owner’s alone while sharing is off', async () => {
      await addMember(service, owner, account, ravi, ['trade']);
      const off = await service.another({ FEATURE_SHARED_ACCOUNTS: 'false' });
      try {
        expect(await mayDo(off, ravi, account)).toEqual([]);
        expect(await mayDo(off, owner, account)).toEqual(['view', 'trade', 'manage']);
        expect(await accountsInToken(off, ravi)).toEqual([]);
        expect(await accountsInToken(off, owner)).toEqual([account]);
      } finally {
        await off.stop();
      }
      expect(await accountsInToken(service, ravi)).toEqual([account]);
    });

    it('stays what it was through a suspension of its owner', async () => {
      await addMember(service, owner, account, ravi, ['trade']);
      const supporter = await newSupporter(service);
      const act = (verb: string) =>
        service.client().post(`/v1/users/${owner.userId}/${verb}`, {}, supporter.accessToken).expect(200);
      await act('suspend');
      expect(await mayDo(service, ravi, account)).toEqual([]);
      await act('reactivate');
      expect(await mayDo(service, ravi, account)).toEqual(['view', 'trade']);
    });

    it.each(['suspended', 'deactivated', 'deleted'])(
      'that somebody gave counts for nothing while they are %s, at any distance',
      async (status) => {
        const [meera, dev, guest] = [
          await newTrader(service),
          await newTrader(service),
          await newTrader(service),
        ];
        await addMember(service, owner, account, ravi, ['manage']);
        await addMember(service, ravi, account, meera, ['manage']);
        await addMember(service, meera, account, dev);
        await addMember(service, owner, account, guest);
        const views = async (): Promise<boolean[]> => {
          const people = [ravi, meera, dev, guest];
          const may = await Promise.all(people.map((who) => mayDo(service, who, account)));
          const own = await Promise.all(people.map(profileAccounts));
          expect(own.map((ids) => ids.includes(account))).toEqual(may.map((all) => all.includes('view')));
          return may.map((all) => all.includes('view'));
        };
        const become = (other: string) =>
          service.db.query(`UPDATE users SET status = $2 WHERE id = $1`, [meera.userId, other]);
        expect(await views()).toEqual([true, true, true, true]);
        await become(status);
        const listed = await service.client().get('/v1/trading-accounts', dev.accessToken).expect(200);
        expect(listed.body.total).toBe(0);
        expect((await mayDo(service, ravi, account)).length).toBe(2);
        expect([await mayDo(service, dev, account), await profileAccounts(dev)]).toEqual([[], []]);
        expect(await mayDo(service, guest, account)).toEqual(['view']);
        await become('active');
        expect(await views()).toEqual([true, true, true, true]);
        await service.db.query(`UPDATE users SET status = $2 WHERE id = $1`, [ravi.userId, status]);
        expect([await mayDo(service, dev, account), await profileAccounts(dev)]).toEqual([[], []]);
        expect(await accountsInToken(service, dev)).toEqual([]);
      },
    );
  });

  describe('as tokens and the profile tell it', () => {
    it('names what is owned and shared, sorted, as of the issue of the token', async () => {
      const second = (await storeAccount(service, owner.userId, { status: 'pending_login' })).accountId;
      const own = (await storeAccount(service, ravi.userId)).accountId;
      const membership = await addMember(service, owner, account, ravi);
      expect(await accountsInToken(service, owner)).toEqual([account, second].sort());
      expect(await accountsInToken(service, ravi)).toEqual([account, own].sort());
      expect(await profileAccounts(ravi)).toEqual([account, own].sort());
      await removeMember(service, ravi, account, membership).expect(204);
      expect(await accountsInToken(service, ravi)).toEqual([own]);
      expect(await profileAccounts(ravi)).toEqual([own]);
    });

    it('names at most a hundred, the own ones first, whoever shares how much', async () => {
      await service.db.query(
        `WITH account AS (
           INSERT INTO trading_accounts (id, user_id, broker, status, created_at, updated_at)
           SELECT gen_random_uuid(), $1, 'kite', 'pending_login', now(), now() FROM generate_series(1, 150) RETURNING id
         )
         INSERT INTO trading_account_members (id, trading_account_id, user_id, permissions, granted_by, created_at)
         SELECT gen_random_uuid(), id, $2, '{view}', 'system', now() FROM account`,
        [owner.userId, ravi.userId],
      );
      const own = (await storeAccount(service, ravi.userId)).accountId;
      const named = await accountsInToken(service, ravi);
      expect(named).toHaveLength(100);
      expect(named).toContain(own);
      expect(named).toEqual([...named].sort());
    });
  });

  const setUser = (id: string, what: string): Promise<unknown> =>
    service.db.query(`UPDATE users SET ${what} WHERE id = $1`, [id]);
});
