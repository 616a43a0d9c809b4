import { newId } from '../../src/common/ids';
import { eventsOf } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { newHolder } from '../support/authority';
import { passLimitWindows } from '../support/limit-windows';
import { addMember, invite, memberIds, membersOf, newTrader, removeMember } from '../support/members';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { newKey, newServiceAccount, withKey } from '../support/services';
import { shareAccount, storeAccount } from '../support/trading-accounts';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const HOUR = 3_600_000;
const soon = (hours: number): string => new Date(Date.now() + hours * HOUR).toISOString();

describe('the members of a trading account', () => {
  let service: TestService;
  let owner: SignedIn;
  let ravi: SignedIn;
  let meera: SignedIn;
  let account: string;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    [owner, ravi, meera] = await Promise.all([newTrader(service), newTrader(service), newTrader(service)]);
    account = (await storeAccount(service, owner.userId, { nickname: 'Long term' })).accountId;
  });

  const list = (by: SignedIn, query = '') => service.client().get(membersOf(account) + query, by.accessToken);
  const listed = async (by = owner): Promise<Record<string, unknown>[]> =>
    (await list(by).expect(200)).body.items;
  const post = (body: object, by = owner) => service.client().post(membersOf(account), body, by.accessToken);

  describe('an invitation', () => {
    it('shares the account, is recorded, and tells whoever is invited', async () => {
      await service.db.query(`UPDATE users SET name = $2 WHERE id = $1`, [
        owner.userId,
        '<b>Asha</b> http://evil.example/x',
      ]);
      const end = soon(5);
      const { body } = await invite(service, owner, account, ravi, ['trade'], { expires_at: end }).expect(
        201,
      );
      expect(body).toEqual({
        membership_id: expect.any(String),
        user_id: ravi.userId,
        name: ravi.person.name,
        email: ravi.person.email,
        permissions: ['view', 'trade'],
        granted_by: `user:${owner.userId}`,
        created_at: expect.stringMatching(TIME),
        expires_at: end,
      });
      expect(await listed()).toEqual([body]);
      const [event] = await service.db.query(
        `SELECT * FROM events WHERE subject = $1 AND event_type = 'trading_account.member_added'`,
        [`user:${owner.userId}`],
      );
      expect(event).toMatchObject({
        actor: `user:${owner.userId}`,
        resource: `trading_account:${account}`,
        priority: 'high',
        data: {
          membership_id: body.membership_id,
          user_id: ravi.userId,
          permissions: ['view', 'trade'],
          expires_at: end,
        },
      });
      const mail = await service.mailTo(ravi.person.email, /is shared with you/);
      expect(mail.text).toContain('the account “Long term” at kite with you. You may see it, trade with it.');
      expect(mail.html).toContain('&lt;b&gt;Asha&lt;');
      expect(mail.html).not.toContain('<b>');
      expect(mail.text + mail.html).not.toContain('evil.example');
    });

    it.each([undefined, 'invalid'])(
      'is for no account that waits for its first login (%s)',
      async (status) => {
        account = (await storeAccount(service, owner.userId, { status: 'pending_login' })).accountId;
        if (status)
          await service.db.query(`UPDATE trading_accounts SET status = $2 WHERE id = $1`, [account, status]);
        await expectProblem(invite(service, owner, account, ravi), 409, 'trading_account_not_linked');
        // Nothing is said of an address.
        const nobody = post({ email: 'x@example.org', permissions: ['view'] });
        await expectProblem(nobody, 409, 'trading_account_not_linked');
        await expectProblem(invite(service, meera, account, ravi), 404, 'not_found');
        expect(await memberIds(service, account)).toEqual([]);
      },
    );

    it('finds nobody alike by an address that is unknown, unverified, suspended, deleted or a service’s', async () => {
      const [unverified, suspended, deleted] = [
        await newSignedIn(service),
        await newTrader(service),
        await newTrader(service),
      ];
      const set = (status: string, { userId }: SignedIn, more = '') =>
        service.db.query(`UPDATE users SET status = $2 ${more} WHERE id = $1`, [userId, status]);
      await set('suspended', suspended);
      await set('deleted', deleted, ', deleted_at = now()');
      const robot = await newTrader(service);
      await service.db.query(`UPDATE users SET kind = 'service', password_hash = NULL WHERE id = $1`, [
        robot.userId,
      ]);
      const answers = new Set<string>();
      for (const { person } of [
        unverified,
        suspended,
        deleted,
        robot,
        { person: { email: 'x@example.org' } },
      ]) {
        const reply = await expectProblem(
          post({ email: person.email, permissions: ['view'] }),
          404,
          'member_not_found',
        );
        answers.add(JSON.stringify({ ...reply.body, request_id: '' }));
      }
      expect(answers.size).toBe(1);
    });

    it('finds somebody whose address is written in another way', async () => {
      await post({ email: ` ${ravi.person.email.toUpperCase()} `, permissions: ['view'] }).expect(201);
    });

    it('takes a verified address of the inviter’s own', async () => {
      await service.db.query(
        `UPDATE users SET status = 'pending_verification', email_verified_at = NULL WHERE id = $1`,
        [owner.userId],
      );
      await expectProblem(invite(service, owner, account, ravi), 403, 'email_not_verified');
    });

    it('of whoever owns the account, or has it already, is refused', async () => {
      await expectProblem(invite(service, owner, account, owner), 409, 'already_owner');
      const manager = await addMember(service, owner, account, ravi, ['manage']);
      const { status, body } = await invite(service, owner, account, ravi, ['trade']);
      expect([status, body.code, body.membership_id]).toEqual([409, 'already_member', manager]);
      const own = await invite(service, ravi, account, ravi);
      expect([own.status, own.body.code, own.body.membership_id]).toEqual([409, 'already_member', manager]);
      await expectProblem(invite(service, ravi, account, owner), 409, 'already_owner');
    });

    it('replaces a membership that has expired', async () => {
      const old = await shareAccount(service, account, ravi.userId, ['view'], new Date(Date.now() - HOUR));
      expect(await listed()).toEqual([]);
      await expectProblem(removeMember(service, owner, account, old), 404, 'not_found');
      const fresh = await addMember(service, owner, account, ravi, ['trade']);
      expect(fresh).not.toBe(old);
      expect(await memberIds(service, account)).toEqual([ravi.userId]);
    });

    it('is the fiftieth of those that live, and not one more', async () => {
      await service.db.query(
        `WITH people AS (
           INSERT INTO users (id, email, email_verified_at, name, timezone, locale, status, created_at, updated_at)
           SELECT gen_random_uuid(), gen_random_uuid() || '@example.org', now(), 'X', 'UTC', 'en', 'active', now(), now()
           FROM generate_series(1, 50) RETURNING id
         )
         INSERT INTO trading_account_members
           (id, trading_account_id, user_id, permissions, granted_by, created_at, expires_at)
         SELECT gen_random_uuid(), $1, id, '{view}', 'system', now(),
                CASE row_number() OVER () WHEN 1 THEN now() - interval '1 hour' END
         FROM people`,
        [account],
      );
      const page = await list(owner, '?limit=10&offset=40').expect(200);
      expect({ ...page.body, items: page.body.items.length }).toEqual({
        items: 9,
        total: 49,
        limit: 10,
        offset: 40,
        has_more: false,
      });
      const fiftieth = await addMember(service, owner, account, ravi);
      await expectProblem(invite(service, owner, account, meera), 409, 'too_many_members');
      await removeMember(service, owner, account, fiftieth).expect(204);
      await addMember(service, owner, account, meera);
    });

    it('is limited to twenty an hour for an inviter, and for a client address', async () => {
      const unknown = { email: 'nobody@example.org', permissions: ['view'] };
      for (let i = 0; i < 20; i++) await expectProblem(post(unknown), 404, 'member_not_found');
      await expectProblem(post(unknown), 429, 'rate_limited');
      await expectProblem(invite(service, owner, account, ravi), 429, 'rate_limited');
      await passLimitWindows(service);
      const client = service.client();
      for (const other of [ravi, await newTrader(service)]) {
        const own = await storeAccount(service, other.userId);
        for (let i = 0; i < 10; i++)
          await client.post(membersOf(own.accountId), unknown, other.accessToken).expect(404);
      }
      const last = await storeAccount(service, meera.userId);
      const refused = client.post(membersOf(last.accountId), unknown, meera.accessToken);
      await expectProblem(refused, 429, 'rate_limited');
    });

    it('that an inviter has no more of takes none from others at the same client address', async () => {
      const unknown = { email: 'nobody@example.org', permissions: ['view'] };
      const client = service.client();
      for (let i = 0; i < 20; i++) await expectProblem(post(unknown), 404, 'member_not_found');
      const refused = () => client.post(membersOf(account), unknown, owner.accessToken);
      for (let i = 0; i < 20; i++) await expectProblem(refused(), 429, 'rate_limited');
      const own = await storeAccount(service, ravi.userId);
      await client.post(membersOf(own.accountId), unknown, ravi.accessToken).expect(404);
    });
  });

  describe('what a member gives', () => {
    it('is at most what they have, for no longer than they have it, and takes manage', async () => {
      const end = soon(10);
      await addMember(service, owner, account, ravi, ['manage'], { expires_at: end });
      for (const [permissions, expires] of [
        [['trade'], end],
        [['view'], soon(11)],
        [['view'], null],
        [['view'], undefined],
      ] as const) {
        const call = invite(service, ravi, account, meera, [...permissions], { expires_at: expires });
        await expectProblem(call, 403, 'escalation_refused');
      }
      await addMember(service, ravi, account, meera, ['view'], { expires_at: end });
      const late = await newTrader(service);
      await expectProblem(invite(service, meera, account, late), 403, 'account_permission_denied');
      expect(await memberIds(service, account)).toEqual([ravi.userId, meera.userId]);
    });

    it('hangs on what they have, and ends with it, to any depth, with an event and a mail each', async () => {
      const third = await newTrader(service);
      const first = await addMember(service, owner, account, ravi, ['manage', 'trade']);
      const second = await addMember(service, ravi, account, meera, ['manage', 'trade']);
      const last = await addMember(service, meera, account, third, ['trade']);
      const apart = await newTrader(service);
      await addMember(service, owner, account, apart);
      await removeMember(service, owner, account, first).expect(204);
      expect(await memberIds(service, account)).toEqual([apart.userId]);
      const events = await eventsOf(service, owner.userId, 'trading_account.member_removed');
      expect(events.map(({ actor }) => actor)).toEqual(Array(3).fill(`user:${owner.userId}`));
      expect(events.map(({ data }) => data).sort(byMembership)).toEqual(
        [
          { membership_id: first, user_id: ravi.userId, reason: 'removed' },
          { membership_id: second, user_id: meera.userId, reason: 'inviter_removed' },
          { membership_id: last, user_id: third.userId, reason: 'inviter_removed' },
        ].sort(byMembership),
      );
      for (const { person } of [ravi, meera, third]) {
        const mail = await service.mailTo(person.email, /no longer shared/);
        expect(mail.text).toContain('the account “Long term” at kite');
      }
    });

    it('is theirs to take back, with all below it, and nothing else is', async () => {
      const [third, apart] = [await newTrader(service), await newTrader(service)];
      const first = await addMember(service, owner, account, ravi, ['manage']);
      const second = await addMember(service, ravi, account, meera, ['manage']);
      const below = await addMember(service, meera, account, third);
      const besides = await addMember(service, owner, account, apart);
      for (const [by, which] of [
        [ravi, besides],
        [meera, first],
        [meera, besides],
        [third, second],
        [third, newId()],
      ] as const)
        await expectProblem(removeMember(service, by, account, which), 403, 'account_permission_denied');
      await expectProblem(removeMember(service, ravi, account, newId()), 404, 'not_found');
      await removeMember(service, ravi, account, below).expect(204);
      await removeMember(service, ravi, account, second).expect(204);
      expect(await memberIds(service, account)).toEqual([ravi.userId, apart.userId]);
    });
  });

  it('leave by themselves, a viewer too, and get no mail for it', async () => {
    const viewer = await newHolder(service, ['trading_account:view']);
    const membership = await shareAccount(service, account, viewer.userId, ['view']);
    const other = await addMember(service, owner, account, ravi);
    await expectProblem(removeMember(service, viewer, account, other), 403, 'account_permission_denied');
    await expectProblem(invite(service, viewer, account, meera), 403, 'permission_denied');
    await removeMember(service, viewer, account, membership).expect(204);
    await expectProblem(removeMember(service, viewer, account, membership), 404, 'not_found');
    const [event] = await eventsOf(service, owner.userId, 'trading_account.member_removed');
    expect(event).toEqual({
      type: 'trading_account.member_removed',
      actor: `user:${viewer.userId}`,
      data: { membership_id: membership, user_id: viewer.userId, reason: 'left' },
    });
    await service.mailTo(ravi.person.email, /is shared with you/);
    const mails = await service.mails(viewer.person.email);
    expect(mails.filter(({ subject }) => /shared/.test(subject))).toEqual([]);
  });

  it('are not removed by whoever lost the permission of the platform, the account’s owner included', async () => {
    const membership = await addMember(service, owner, account, ravi);
    const demoted = await newHolder(service, ['trading_account:view']);
    await service.db.query(`UPDATE trading_accounts SET user_id = $2 WHERE id = $1`, [
      account,
      demoted.userId,
    ]);
    await expectProblem(removeMember(service, demoted, account, membership), 403, 'permission_denied');
    expect(await memberIds(service, account)).toEqual([ravi.userId]);
  });

  it('are listed for the owner and those who manage it, who see the addresses they knew', async () => {
    await addMember(service, owner, account, ravi, ['manage']);
    await addMember(service, ravi, account, meera, ['view']);
    const third = await newTrader(service);
    await addMember(service, owner, account, third);
    const emails = (items: Record<string, unknown>[]) => items.map(({ email }) => email);
    expect(emails(await listed())).toEqual([third.person.email, meera.person.email, ravi.person.email]);
    expect(emails(await listed(ravi))).toEqual([null, meera.person.email, ravi.person.email]);
    await expectProblem(list(meera), 403, 'account_permission_denied');
    await expectInvalid(list(owner, '?limit=0'), 'limit');
  });

  it('of somebody else’s account are not there, on every verb', async () => {
    const membership = await addMember(service, owner, account, ravi);
    await expectProblem(list(meera), 404, 'not_found');
    await expectProblem(invite(service, meera, account, ravi), 404, 'not_found');
    await expectProblem(removeMember(service, meera, account, membership), 404, 'not_found');
    // Through an account of one's own neither.
    const own = await storeAccount(service, meera.userId);
    await expectProblem(removeMember(service, meera, own.accountId, membership), 404, 'not_found');
    expect(await memberIds(service, account)).toEqual([ravi.userId]);
  });

  it('are nothing to whoever lacks the permissions of the platform', async () => {
    const stranger = await newHolder(service, ['user:read']);
    const membership = await shareAccount(service, account, stranger.userId, ['view', 'manage']);
    await expectProblem(list(stranger), 403, 'permission_denied');
    await expectProblem(invite(service, stranger, account, ravi), 403, 'permission_denied');
    await expectProblem(removeMember(service, stranger, account, membership), 403, 'permission_denied');
  });

  it('are for people alone: an API key is refused', async () => {
    const admin = await newAdministrator(service);
    const robot = await newServiceAccount(service, 'trading_account:view', 'trading_account:manage');
    const { apiKey } = await newKey(service, admin, robot, [
      'trading_account:view',
      'trading_account:manage',
    ]);
    const client = service.client();
    for (const call of [
      client.get(membersOf(account)),
      client.post(membersOf(account), { email: ravi.person.email, permissions: ['view'] }),
      client.delete(`${membersOf(account)}/${newId()}`),
    ])
      await expectProblem(withKey(call, apiKey), 403, 'session_required');
  });

  it('are refused on every route while sharing is off, and count for nothing', async () => {
    const membership = await addMember(service, owner, account, ravi, ['manage']);
    const off = await service.another({ FEATURE_SHARED_ACCOUNTS: 'false' });
    try {
      for (const by of [owner, ravi]) {
        await expectProblem(off.client().get(membersOf(account), by.accessToken), 403, 'feature_disabled');
        await expectProblem(invite(off, by, account, meera), 403, 'feature_disabled');
        await expectProblem(removeMember(off, by, account, membership), 403, 'feature_disabled');
      }
    } finally {
      await off.stop();
    }
    expect(await memberIds(service, account)).toEqual([ravi.userId]);
  });
});

const byMembership = (a: Record<string, unknown>, b: Record<string, unknown>): number =>
  String(a.membership_id).localeCompare(String(b.membership_id));
