import type { Response, Test } from 'supertest';
import { eventsOf } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { heldUp } from '../support/authority';
import { passLimitWindows } from '../support/limit-windows';
import { addMember, invite, memberIds, newTrader, removeMember } from '../support/members';
import { PASSWORD, SignedIn } from '../support/people';
import { storeAccount } from '../support/trading-accounts';

describe('at the same moment', () => {
  let service: TestService;
  let another: TestService;
  let owner: SignedIn;
  let ravi: SignedIn;
  let meera: SignedIn;
  let account: string;
  beforeAll(async () => {
    service = await startService();
    another = await service.another();
  });
  afterAll(async () => {
    await another.stop();
    await service.stop();
  });
  beforeEach(async () => {
    await passLimitWindows(service);
    [owner, ravi, meera] = await Promise.all([newTrader(service), newTrader(service), newTrader(service)]);
    account = (await storeAccount(service, owner.userId)).accountId;
  });

  const answer = ({ status, body }: Response): string =>
    `${status} ${(body as { code?: string }).code ?? ''}`.trim();
  const counted = (replies: Response[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const reply of replies) counts[answer(reply)] = (counts[answer(reply)] ?? 0) + 1;
    return counts;
  };
  const heldAccount = (call: () => Test, meanwhile: () => Promise<unknown>) =>
    heldUp(service, account, call, meanwhile, 'trading_accounts');
  const deleteMe = (who: SignedIn) =>
    service.client().delete('/v1/users/me', who.accessToken).send({ password: PASSWORD });

  it('twenty invitations of one person make one membership, one event, one mail', async () => {
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, i) => invite(i % 2 ? service : another, owner, account, ravi)),
    );
    expect(counted(replies)).toEqual({ '201': 1, '409 already_member': 19 });
    expect(await memberIds(service, account)).toEqual([ravi.userId]);
    expect(await eventsOf(service, owner.userId, 'trading_account.member_added')).toHaveLength(1);
    await service.mailTo(ravi.person.email, /is shared/);
    const mails = await service.mails(ravi.person.email);
    expect(mails.filter(({ subject }) => /is shared/.test(subject))).toHaveLength(1);
  });

  it('twenty removals of one membership are one removal', async () => {
    const membership = await addMember(service, owner, account, ravi);
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        removeMember(i % 2 ? service : another, owner, account, membership),
      ),
    );
    expect(counted(replies)).toEqual({ '204': 1, '404 not_found': 19 });
    expect(await eventsOf(service, owner.userId, 'trading_account.member_removed')).toHaveLength(1);
  });

  it('the last places go to as many as there are', async () => {
    await service.db.query(
      `WITH people AS (
         INSERT INTO users (id, email, email_verified_at, name, timezone, locale, status, created_at, updated_at)
         SELECT gen_random_uuid(), gen_random_uuid() || '@example.org', now(), 'X', 'UTC', 'en', 'active', now(), now()
         FROM generate_series(1, 47) RETURNING id
       )
       INSERT INTO trading_account_members (id, trading_account_id, user_id, permissions, granted_by, created_at)
       SELECT gen_random_uuid(), $1, id, '{view}', 'system', now() FROM people`,
      [account],
    );
    const people = await Promise.all(Array.from({ length: 8 }, () => newTrader(service)));
    const replies = await Promise.all(people.map((person) => invite(service, owner, account, person)));
    expect(counted(replies)).toEqual({ '201': 3, '409 too_many_members': 5 });
    expect(await memberIds(service, account)).toHaveLength(50);
  });

  it('an inviter is removed and invites: nobody is left behind, whoever is first', async () => {
    for (let round = 0; round < 8; round++) {
      const inviter = await addMember(service, owner, account, ravi, ['manage']);
      const [removed, invited] = await Promise.all([
        removeMember(another, owner, account, inviter),
        invite(service, ravi, account, meera),
      ]);
      expect(removed.status).toBe(204);
      expect(['201', '404 not_found']).toContain(answer(invited));
      expect(await memberIds(service, account)).toEqual([]);
    }
  });

  it('an inviter who was removed while the invitation waited changes nothing', async () => {
    await addMember(service, owner, account, ravi, ['manage']);
    const reply = await heldAccount(
      () => invite(service, ravi, account, meera),
      () => service.db.query(`DELETE FROM trading_account_members WHERE trading_account_id = $1`, [account]),
    );
    expect(answer(reply)).toBe('404 not_found');
    expect(await memberIds(service, account)).toEqual([]);
  });

  it('an inviter who was suspended while the invitation waited changes nothing', async () => {
    const reply = await heldUp(
      service,
      meera.userId,
      () => invite(service, owner, account, meera),
      () => service.db.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [owner.userId]),
    );
    expect(answer(reply)).toBe('404 not_found');
    expect(await memberIds(service, account)).toEqual([]);
  });

  it('an inviter who lost the permission of the platform while the invitation waited changes nothing', async () => {
    const reply = await heldUp(
      service,
      meera.userId,
      () => invite(service, owner, account, meera),
      () => service.db.query(`DELETE FROM user_roles WHERE user_id = $1`, [owner.userId]),
    );
    expect(answer(reply)).toBe('403 permission_denied');
    expect(await memberIds(service, account)).toEqual([]);
  });

  it('a remover who lost the permission of the platform while the removal waited changes nothing', async () => {
    const membership = await addMember(service, owner, account, ravi);
    const reply = await heldAccount(
      () => removeMember(service, owner, account, membership),
      () => service.db.query(`UPDATE user_roles SET role = 'viewer' WHERE user_id = $1`, [owner.userId]),
    );
    expect(answer(reply)).toBe('403 permission_denied');
    expect(await memberIds(service, account)).toEqual([ravi.userId]);
  });

  it('a remover who lost access while the removal waited changes nothing', async () => {
    await addMember(service, owner, account, ravi, ['manage']);
    const membership = await addMember(service, ravi, account, meera);
    const reply = await heldAccount(
      () => removeMember(service, ravi, account, membership),
      () => service.db.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [owner.userId]),
    );
    expect(answer(reply)).toBe('404 not_found');
    expect(await memberIds(service, account)).toEqual([ravi.userId, meera.userId]);
  });

  it('a member who was suspended while they left stays for as long', async () => {
    const membership = await addMember(service, owner, account, ravi);
    const reply = await heldAccount(
      () => removeMember(service, ravi, account, membership),
      () => service.db.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [ravi.userId]),
    );
    expect(answer(reply)).toBe('403 permission_denied');
    expect(await memberIds(service, account)).toEqual([ravi.userId]);
  });

  it('somebody deletes their account and is invited: a deleted account is no member', async () => {
    for (let round = 0; round < 6; round++) {
      const guest = await newTrader(service);
      const [deleted, invited] = await Promise.all([
        deleteMe(guest),
        invite(another, owner, account, guest, ['manage']),
      ]);
      expect(deleted.status).toBe(200);
      expect(['201', '404 member_not_found']).toContain(answer(invited));
      expect(await memberIds(service, account)).toEqual([]);
    }
  });

  it('people who share with each other delete their accounts, and none waits for ever', async () => {
    for (let round = 0; round < 3; round++) {
      const people = await Promise.all(Array.from({ length: 4 }, () => newTrader(service)));
      const accounts: string[] = [];
      for (const person of people) {
        const { accountId } = await storeAccount(service, person.userId);
        accounts.push(accountId);
        for (const other of people) if (other !== person) await addMember(service, person, accountId, other);
      }
      const replies = await Promise.all(people.map((person) => deleteMe(person)));
      expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      for (const accountId of accounts) expect(await memberIds(service, accountId)).toEqual([]);
    }
  });
});
