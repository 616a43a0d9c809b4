import { PermissionCache } from '../../src/authz/permission-cache';
import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { Events } from '../../src/infra/events/events';
import { SessionStore } from '../../src/sessions/session-store';
import { DataKeys } from '../../src/trading-accounts/vault/data-keys';
import { eventsOf } from '../support/account-rows';
import { eventually, TestService } from '../support/app';
import { linkAccount, startServiceWithKite } from '../support/kite';
import { addMember, checkAccount, memberIds, newTrader } from '../support/members';
import { newAdministrator, PASSWORD, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { statusOf } from '../support/trading-accounts';
import { settled, Trader } from '../support/trading-life';

describe('the deletion of somebody with trading accounts', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let asha: SignedIn;
  let ravi: SignedIn;
  let meera: SignedIn;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite());
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    kite.fault('none');
    [asha, ravi, meera] = await Promise.all([newTrader(service), newTrader(service), newTrader(service)]);
  });

  const deleteMe = (who: SignedIn) =>
    service.client().delete('/v1/users/me', who.accessToken).send({ password: PASSWORD });
  const alive = (token: string): boolean =>
    kite.sessions().some(({ accessToken, alive: lives }) => lives && accessToken === token);
  const loggedOut = (token: string) =>
    eventually(async () => !alive(token), 'the session at the broker to be over');
  const removals = async ({ userId }: SignedIn): Promise<unknown[]> =>
    (await eventsOf(service, userId, 'trading_account.member_removed')).map(({ data }) => data);

  it('unlinks theirs, ends the sessions at the broker, and removes whom they shared with', async () => {
    const accounts = [await linkAccount(service, kite, asha), await linkAccount(service, kite, asha)];
    const ids = accounts.map(({ accountId }) => accountId);
    const membership = await addMember(service, asha, ids[0]!, ravi, ['manage']);
    const below = await addMember(service, ravi, ids[0]!, meera);
    const { body } = await deleteMe(asha).expect(200);
    expect(body).toMatchObject({ sessions_revoked: 1, trading_accounts_unlinked: 2 });
    for (const { accountId, accessToken } of accounts) {
      expect(await statusOf(service, accountId)).toBe('unlinked');
      expect(await memberIds(service, accountId)).toEqual([]);
      await loggedOut(accessToken);
      expect(service.app.get(DataKeys, { strict: false })['cache'].has(accountId)).toBe(false);
      const left = await service.db.query(
        `SELECT wrapped_data_key AS key, (SELECT count(*)::int FROM trading_credentials
           WHERE trading_account_id = trading_accounts.id) AS credentials
         FROM trading_accounts WHERE id = $1`,
        [accountId],
      );
      expect(left).toEqual([{ key: null, credentials: 0 }]);
    }
    expect(await removals(asha)).toEqual(
      expect.arrayContaining([
        { membership_id: membership, user_id: ravi.userId, reason: 'account_deleted' },
        { membership_id: below, user_id: meera.userId, reason: 'account_deleted' },
      ]),
    );
    const [deleted] = await eventsOf(service, asha.userId, 'user.deleted');
    expect(deleted!.data).toEqual({ sessions_revoked: 1, api_keys_revoked: 0, trading_accounts_unlinked: 2 });
    expect(await eventsOf(service, asha.userId, 'trading_account.unlinked')).toHaveLength(2);
    expect(await checkAccount(service, ravi, 'trading_account:view', ids[0]!)).toMatchObject({
      allowed: false,
      reason: 'no_access_to_resource',
    });
    await service.mailTo(ravi.person.email, /no longer shared/);
  });

  it('ends what was shared with them, and what they had shared on, and nothing else', async () => {
    const { accountId, accessToken } = await linkAccount(service, kite, asha);
    const membership = await addMember(service, asha, accountId, ravi, ['manage']);
    const below = await addMember(service, ravi, accountId, meera);
    const apart = await newTrader(service);
    await addMember(service, asha, accountId, apart);
    const { body } = await deleteMe(ravi).expect(200);
    expect(body.trading_accounts_unlinked).toBe(0);
    expect(await memberIds(service, accountId)).toEqual([apart.userId]);
    expect([await statusOf(service, accountId), alive(accessToken)]).toEqual(['active', true]);
    expect(await removals(asha)).toEqual(
      expect.arrayContaining([
        { membership_id: membership, user_id: ravi.userId, reason: 'account_deleted' },
        { membership_id: below, user_id: meera.userId, reason: 'inviter_removed' },
      ]),
    );
    await service.mailTo(meera.person.email, /no longer shared/);
  });

  it('by an administrator does the same', async () => {
    const admin = await newAdministrator(service);
    const { accountId, accessToken } = await linkAccount(service, kite, asha);
    const reply = await service.client().delete(`/v1/users/${asha.userId}`, admin.accessToken).expect(200);
    expect(reply.body.trading_accounts_unlinked).toBe(1);
    expect(await statusOf(service, accountId)).toBe('unlinked');
    await loggedOut(accessToken);
    const [event] = await eventsOf(service, asha.userId, 'trading_account.unlinked');
    expect(event!.actor).toBe(`user:${admin.userId}`);
  });

  it('ends the session of a login that came just before it', async () => {
    const { accountId, app, brokerUserId, accessToken } = await linkAccount(service, kite, asha);
    const cache = service.app.get(PermissionCache, { strict: false });
    const change = cache.whileChanging.bind(cache);
    const spy = jest.spyOn(cache, 'whileChanging').mockImplementation(async (userId, work) => {
      const token = kite.login(app.apiKey, brokerUserId);
      await new Trader(service, asha).logIn(accountId, token).expect(200);
      return change(userId, work);
    });
    await deleteMe(asha).expect(200);
    spy.mockRestore();
    const last = kite.sessions().findLast(({ apiKey }) => apiKey === app.apiKey)!;
    expect(last.accessToken).not.toBe(accessToken);
    await loggedOut(last.accessToken);
  });

  it('ends the sessions at the broker also where Redis fails right after the commit', async () => {
    const { accountId, accessToken } = await linkAccount(service, kite, asha);
    const store = service.app.get(SessionStore, { strict: false });
    const spy = jest.spyOn(store, 'revokeBefore').mockRejectedValue(new Error('Command timed out'));
    await expectProblem(deleteMe(asha), 503, 'unavailable');
    spy.mockRestore();
    expect(await statusOf(service, accountId)).toBe('unlinked');
    await loggedOut(accessToken);
  });

  it('that is undone leaves the sessions at the broker alone', async () => {
    const { accountId, accessToken } = await linkAccount(service, kite, asha);
    const events = service.app.get(Events, { strict: false });
    const record = events.record.bind(events);
    const spy = jest.spyOn(events, 'record').mockImplementation(async (tx, caller, event) => {
      if (event.type === 'session.revoked') throw new Error('Connection terminated unexpectedly');
      return record(tx, caller, event);
    });
    await expectProblem(deleteMe(asha), 503, 'unavailable');
    spy.mockRestore();
    await settled(service);
    expect([await statusOf(service, accountId), alive(accessToken)]).toEqual(['active', true]);
  });

  it('waits for no broker that is down', async () => {
    const { accountId } = await linkAccount(service, kite, asha);
    kite.fault('down');
    const { body } = await deleteMe(asha).expect(200);
    expect(body.trading_accounts_unlinked).toBe(1);
    expect(await statusOf(service, accountId)).toBe('unlinked');
  });

  it('that is refused changes nothing', async () => {
    const { accountId, accessToken } = await linkAccount(service, kite, asha);
    await addMember(service, asha, accountId, ravi);
    const wrong = service
      .client()
      .delete('/v1/users/me', asha.accessToken)
      .send({ password: `${PASSWORD}x` });
    await expectProblem(wrong, 403, 'invalid_current_password');
    expect([await statusOf(service, accountId), alive(accessToken)]).toEqual(['active', true]);
    expect(await memberIds(service, accountId)).toEqual([ravi.userId]);
  });
});
