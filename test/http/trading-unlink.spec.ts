import { Logger } from '@nestjs/common';
import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { newId } from '../../src/common/ids';
import { systemCaller } from '../../src/common/caller';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { unavailable } from '../../src/common/common.errors';
import { UnlinkAccounts } from '../../src/trading-accounts/links/unlink-accounts.service';
import { DataKeys } from '../../src/trading-accounts/vault/data-keys';
import { TestService } from '../support/app';
import { LinkedAccount, linkAccount, newKiteUser, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { damage } from '../support/trading-accounts';
import {
  callsDuring,
  historyOf,
  livingAt,
  rowOf,
  rowsOf,
  settled,
  share,
  Trader,
  typesOf,
} from '../support/trading-life';

describe('DELETE /v1/trading-accounts/{id}', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let trader: Trader;
  let account: LinkedAccount;
  let id: string;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite({ KITE_API_TIMEOUT_SECONDS: '1' }));
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = await newVerified(service);
    trader = new Trader(service, person);
    account = await linkAccount(service, kite, person);
    id = account.accountId;
  });
  afterEach(() => {
    kite.fault('none');
    jest.restoreAllMocks();
  });

  const keys = () => service.app.get(DataKeys, { strict: false });
  const keyIsKept = (accountId: string): boolean => keys()['cache'].has(accountId);
  const GONE = {
    status: 'unlinked',
    unlinked_at: expect.any(Date),
    wrapped_data_key: null,
    api_key_hash: null,
    turn_id: null,
    turn_ends_at: null,
    idempotency_key_hash: null,
    idempotent_request_hash: null,
  };
  const expectGone = async (): Promise<void> => {
    expect(await rowOf(service, id)).toMatchObject(GONE);
    const { credentials, members } = await rowsOf(service, person.userId);
    expect([credentials, members]).toEqual([[], []]);
    for (const call of [trader.verify(id), trader.unlink(id), trader.logIn(id, 'x'.repeat(32))])
      await expectProblem(call, 404, 'not_found');
  };

  it('destroys the credentials, ends the session at Kite, and says so', async () => {
    const calls = await callsDuring(kite, async () => {
      const { body } = await trader.unlink(id).expect(200);
      expect(body).toEqual({
        trading_account_id: id,
        message: 'The account was unlinked, and logged out at the broker.',
      });
    });
    expect(calls).toEqual(['DELETE /session/token 200']);
    expect(livingAt(kite, account.app)).toEqual([]);
    await expectGone();
    expect((await historyOf(service, id)).at(-1)).toEqual({
      type: 'trading_account.unlinked',
      subject: `user:${person.userId}`,
      actor: `user:${person.userId}`,
      data: { broker: 'kite', reason: 'unlinked' },
    });
  });

  it('removes its members, and what waits', async () => {
    const member = await newVerified(service);
    const membership = await share(service, id, member.userId, ['view']);
    await trader.rotate(id, kite.newApp()).expect(200);
    await trader.unlink(id).expect(200);
    await expectGone();
    await expectProblem(new Trader(service, member).verify(id), 404, 'not_found');
    expect((await historyOf(service, id)).at(-2)).toMatchObject({
      type: 'trading_account.member_removed',
      data: { membership_id: membership, user_id: member.userId, reason: 'unlinked' },
    });
  });

  it('forgets the key of its request', async () => {
    const { body } = await trader.link(kite.newApp(), {}, 'a key').expect(201);
    id = body.trading_account_id;
    await trader.unlink(id).expect(200);
    expect(await rowOf(service, id)).toMatchObject(GONE);
  });

  it('asks Kite nothing where there never was a session', async () => {
    const { body } = await trader.link(kite.newApp()).expect(201);
    const calls = await callsDuring(kite, async () => {
      const reply = await trader.unlink(body.trading_account_id).expect(200);
      expect(reply.body.message).toBe('The account was unlinked.');
    });
    expect(calls).toEqual([]);
    expect(await typesOf(service, body.trading_account_id)).toEqual([
      'trading_account.credentials_updated',
      'trading_account.unlinked',
    ]);
  });

  it('counts a session that is over already as ended', async () => {
    kite.expireSessions();
    const { body } = await trader.unlink(id).expect(200);
    expect(body.message).toMatch(/logged out/);
  });

  it.each(['session_expired', 'invalid'])('takes an account that is %s', async (status) => {
    await service.db.query(`UPDATE trading_accounts SET status = $2 WHERE id = $1`, [id, status]);
    await trader.unlink(id).expect(200);
    await expectGone();
  });

  it.each(['down', 'slow', 'limited', 'rubbish', 'server_error'] as const)(
    'is kept by no trouble at Kite (%s), and tells of it',
    async (fault) => {
      kite.fault(fault);
      const asked = performance.now();
      const { body } = await trader.unlink(id).expect(200);
      expect(performance.now() - asked).toBeLessThan(3_500);
      expect(body.message).toMatch(/could not be logged out/);
      kite.fault('none');
      await expectGone();
    },
  );

  it('is not kept by a KMS that cannot answer', async () => {
    keys().forget(id);
    jest.spyOn(service.app.get<Kms>(KMS), 'unwrap').mockRejectedValue(unavailable());
    const { body } = await trader.unlink(id).expect(200);
    expect(body.message).toMatch(/could not be logged out/);
    await expectGone();
  });

  it.each(['data_key', 'access_token'] as const)(
    'is not kept by credentials that were tampered with (%s), and records that they were',
    async (part) => {
      jest.spyOn(Logger.prototype, 'error').mockReturnValue();
      keys().forget(id);
      await damage(service, id, part);
      const { body } = await trader.unlink(id).expect(200);
      expect(body.message).toMatch(/could not be logged out/);
      await expectGone();
      expect((await historyOf(service, id)).slice(-2)).toMatchObject([
        { type: 'trading_account.unlinked' },
        { type: 'trading_account.integrity_failed', actor: 'system', data: { part } },
      ]);
    },
  );

  it('records a damage once, also where it was found before', async () => {
    jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    await damage(service, id, 'access_token');
    await expectProblem(trader.verify(id), 409, 'credentials_damaged');
    await trader.unlink(id).expect(200);
    expect((await typesOf(service, id)).filter((type) => /integrity/.test(String(type)))).toHaveLength(1);
  });

  it('leaves no key in memory, whether there was a session or not', async () => {
    const { body } = await trader.link(kite.newApp()).expect(201);
    const pending: string = body.trading_account_id;
    expect([id, pending].filter(keyIsKept)).toEqual([id, pending]);
    for (const accountId of [id, pending]) await trader.unlink(accountId).expect(200);
    expect([id, pending].filter(keyIsKept)).toEqual([]);
  });

  it('wins over a login that is under way: its session is ended too', async () => {
    const gate = kite.hold();
    const login = trader
      .logIn(id, kite.login(account.app.apiKey, account.brokerUserId))
      .then((reply) => reply);
    while (gate.held() < 1) await new Promise((resolve) => setTimeout(resolve, 10));
    const unlinked = trader.unlink(id).then((reply) => reply);
    while (gate.held() < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await rowOf(service, id)).toMatchObject({ status: 'unlinked' });
    gate.release();
    expect((await unlinked).status).toBe(200);
    expect([(await login).status, (await login).body.code]).toEqual([404, 'not_found']);
    await settled(service);
    expect(livingAt(kite, account.app)).toEqual([]);
    await expectGone();
  });

  it('wins over a link that is under way', async () => {
    const app = kite.newApp();
    const gate = kite.hold();
    const link = trader.link(app, { request_token: kite.login(app.apiKey, newKiteUser()) });
    const answered = link.then((reply) => reply);
    while (gate.held() < 1) await new Promise((resolve) => setTimeout(resolve, 10));
    const { accounts } = await rowsOf(service, person.userId);
    id = accounts!.find(({ status }) => status === 'pending_login')!.id as string;
    await trader.unlink(id).expect(200);
    gate.release();
    expect([(await answered).status, (await answered).body.code]).toEqual([404, 'not_found']);
    await settled(service);
    expect(livingAt(kite, app)).toEqual([]);
    expect(await rowOf(service, id)).toMatchObject(GONE);
  });

  it('of twenty at once unlinks once', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => trader.unlink(id)));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(19).fill(404)]);
    expect((await typesOf(service, id)).filter((type) => type === 'trading_account.unlinked')).toHaveLength(
      1,
    );
  });

  it('is for the owner', async () => {
    const member = await newVerified(service);
    await share(service, id, member.userId, ['view', 'trade', 'manage']);
    const before = await rowsOf(service, person.userId);
    await expectProblem(new Trader(service, member).unlink(id), 403, 'owner_required');
    await expectProblem(new Trader(service, await newVerified(service)).unlink(id), 404, 'not_found');
    await expectProblem(trader.unlink(newId()), 404, 'not_found');
    await expectProblem(service.client().delete(`/v1/trading-accounts/${id}`), 401, 'not_authenticated');
    expect(await rowsOf(service, person.userId)).toEqual(before);
  });

  describe('for the deletion of a user', () => {
    const unlink = () => service.app.get(UnlinkAccounts, { strict: false });
    const caller = systemCaller(newId());
    const ofUser = () => service.db.transaction((tx) => unlink().ofUser(tx, caller, person.userId));

    it('unlinks every account in one transaction, and logs out after it', async () => {
      const second = await linkAccount(service, kite, person);
      const { body: pending } = await trader.link(kite.newApp()).expect(201);
      await share(service, id, (await newVerified(service)).userId, ['view']);
      const all = [id, second.accountId, pending.trading_account_id];
      const unlinked = await ofUser();
      expect(unlinked.map(({ accountId }) => accountId)).toEqual(all.sort());
      for (const accountId of all) {
        expect(await rowOf(service, accountId)).toMatchObject(GONE);
        expect((await historyOf(service, accountId)).at(-1)).toMatchObject({
          type: 'trading_account.unlinked',
          data: { reason: 'account_deleted' },
        });
      }
      expect(livingAt(kite, account.app, second.app)).toHaveLength(2);
      unlink().endSessions(caller, unlinked);
      await settled(service);
      expect(livingAt(kite, account.app, second.app)).toEqual([]);
      expect(all.filter(keyIsKept)).toEqual([]);
      expect(await ofUser()).toEqual([]);
    });

    it('ends what it can, and throws for no trouble at the KMS or at Kite', async () => {
      const second = await linkAccount(service, kite, person);
      const unlinked = await ofUser();
      keys().forget(id);
      const kms = jest.spyOn(service.app.get<Kms>(KMS), 'unwrap').mockRejectedValue(unavailable());
      unlink().endSessions(caller, unlinked);
      await settled(service);
      // The key of one was in memory.
      expect(livingAt(kite, account.app, second.app)).toEqual([
        `${account.app.apiKey}/${account.brokerUserId}`,
      ]);
      kms.mockRestore();
      kite.fault('down');
      unlink().endSessions(caller, unlinked);
      await settled(service);
      expect([id, second.accountId].filter(keyIsKept)).toEqual([]);
    });

    it('wins over a login that is under way: no session outlives the user', async () => {
      const gate = kite.hold();
      const login = trader
        .logIn(id, kite.login(account.app.apiKey, account.brokerUserId))
        .then((reply) => reply);
      while (gate.held() < 1) await new Promise((resolve) => setTimeout(resolve, 10));
      const call = service.client().delete('/v1/users/me', person.accessToken);
      const deleted = call.send({ password: person.person.password }).then((reply) => reply);
      expect([(await deleted).status, (await deleted).body.trading_accounts_unlinked]).toEqual([200, 1]);
      gate.release();
      expect([(await login).status, (await login).body.code]).toEqual([401, 'not_authenticated']);
      await settled(service);
      expect(livingAt(kite, account.app)).toEqual([]);
      expect(await rowOf(service, id)).toMatchObject(GONE);
    });

    it('is undone with its transaction', async () => {
      const before = await rowsOf(service, person.userId);
      const failing = service.db.transaction(async (tx) => {
        await unlink().ofUser(tx, caller, person.userId);
        throw new Error('later');
      });
      await expect(failing).rejects.toThrow('later');
      expect(await rowsOf(service, person.userId)).toEqual(before);
      await trader.verify(id).expect(200, /"credentials_valid":true/);
    });
  });

  it('leaves the user free to link again', async () => {
    await trader.unlink(id).expect(200);
    await linkAccount(service, kite, person, { userId: account.brokerUserId });
    expect(newKiteUser()).not.toBe(account.brokerUserId);
  });
});
