import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { ExpireSessions } from '../../src/trading-accounts/logins/expire-sessions';
import { ExpirySchedule } from '../../src/trading-accounts/logins/expiry-schedule';
import { SessionEndRecord } from '../../src/trading-accounts/logins/session-end-record';
import { eventually, TestService } from '../support/app';
import { LinkedAccount, linkAccount, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { credentialsOf, historyOf, rowOf, Trader, typesOf } from '../support/trading-life';

const DAY = 86_400_000;
const SUBJECT = /log in to your broker/i;

describe('sessions whose time is over', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let account: LinkedAccount;
  let id: string;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite());
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = await newVerified(service);
    account = await linkAccount(service, kite, person);
    id = account.accountId;
  });
  afterEach(() => jest.restoreAllMocks());

  const job = (of = service) => of.app.get(ExpireSessions, { strict: false });
  const setRow = (set: string, accountId = id) =>
    service.db.query(`UPDATE trading_accounts SET ${set} WHERE id = $1`, [accountId]);
  const end = (accountId = id) => setRow(`session_expires_at = now() - interval '1 minute'`, accountId);
  const wantMail = () => setRow(`preferences = '{"session_expired_mail": true}'`);
  const endings = async (accountId = id) =>
    (await typesOf(service, accountId)).filter((type) => type === 'trading_account.session_expired');

  it('are noticed: the status, and one event; what is stored stays', async () => {
    await end();
    expect(await job().run()).toBe(1);
    expect(await rowOf(service, id)).toMatchObject({ status: 'session_expired' });
    expect((await historyOf(service, id)).at(-1)).toEqual({
      type: 'trading_account.session_expired',
      subject: `user:${person.userId}`,
      actor: 'system',
      data: { reason: 'expired' },
    });
    expect(await credentialsOf(service, id)).toMatchObject({ accessToken: account.accessToken });
    expect(await job().run()).toBe(0);
    expect(await endings()).toHaveLength(1);
  });

  it('are noticed at the very moment, and not before', async () => {
    const { session_expires_at: at } = await rowOf(service, id);
    const left = (at as Date).getTime() - Date.now();
    service.advance(left - 30_000);
    expect(await job().run()).toBe(0);
    service.advance(31_000);
    expect(await job().run()).toBe(1);
    service.advance(-left - 1_000);
  });

  it.each(['pending_login', 'session_expired', 'invalid'])(
    'are no matter of one that is %s',
    async (status) => {
      await end();
      await setRow(`status = '${status}'`);
      expect(await job().run()).toBe(0);
      expect(await endings()).toEqual([]);
    },
  );

  it('make way for the next login', async () => {
    await end();
    await job().run();
    const trader = new Trader(service, person);
    const token = kite.login(account.app.apiKey, account.brokerUserId);
    await trader.logIn(id, token).expect(200, /"status":"active"/);
    expect(await job().run()).toBe(0);
  });

  it('are noticed once by many processes', async () => {
    const accounts = [id];
    for (let i = 0; i < 7; i++) accounts.push((await linkAccount(service, kite, person)).accountId);
    await Promise.all(accounts.map((accountId) => end(accountId)));
    await wantMail();
    const other = await service.another();
    const counts = await Promise.all(
      [service, other, service, other, service, other].map((of) => job(of).run()),
    );
    await other.stop();
    // What one has in hand, the others pass over.
    const rest = await job().run();
    expect(counts.reduce((sum, count) => sum + count, rest)).toBe(8);
    for (const accountId of accounts) expect(await endings(accountId)).toHaveLength(1);
    await service.mailTo(person.person.email, SUBJECT);
    expect(
      (await service.mails(person.person.email)).filter(({ subject }) => SUBJECT.test(subject)),
    ).toHaveLength(1);
  });

  it('pass over an account that somebody changes at this moment', async () => {
    await end();
    await service.db.transaction(async (tx) => {
      await tx.query('SELECT FROM trading_accounts WHERE id = $1 FOR UPDATE', [id]);
      expect(await job().run()).toBe(0);
    });
    expect(await job().run()).toBe(1);
  });

  it('are noticed beside one that makes trouble', async () => {
    const second = await linkAccount(service, kite, person);
    await setRow(`session_expires_at = now() - interval '2 minutes'`);
    await end(second.accountId);
    const record = service.app.get(SessionEndRecord, { strict: false });
    jest.spyOn(record, 'write').mockRejectedValueOnce(new Error('trouble'));
    expect(await job().run()).toBe(1);
    expect(await rowOf(service, id)).toMatchObject({ status: 'active' });
    expect(await rowOf(service, second.accountId)).toMatchObject({ status: 'session_expired' });
    jest.restoreAllMocks();
    expect(await job().run()).toBe(1);
  });

  it('are noticed in more than one batch, and a stop ends it after the account in hand', async () => {
    await service.db.query(
      `INSERT INTO trading_accounts
         (id, user_id, broker, broker_user_id, status, created_at, updated_at, session_expires_at)
       SELECT gen_random_uuid(), $1, 'kite', 'ZZ' || n, 'active', now(), now(), now() - interval '1 day'
       FROM generate_series(1, 120) n`,
      [person.userId],
    );
    const stop = new AbortController();
    stop.abort();
    expect(await job().run(stop.signal)).toBe(0);
    expect(await job().run()).toBe(120);
  });

  it('are noticed by the service itself, when it starts', async () => {
    await end();
    const other = await service.another();
    expect(other.app.get(ExpirySchedule, { strict: false })).toBeInstanceOf(ExpirySchedule);
    await eventually(
      async () => (await rowOf(service, id)).status === 'session_expired',
      'the session to be noticed',
    );
    await other.stop();
    expect(await endings()).toHaveLength(1);
  });

  describe('are mailed to owners who want it', () => {
    const mails = async () =>
      (await service.mails(person.person.email)).filter(({ subject }) => SUBJECT.test(subject));
    const noMail = async () => {
      await service.mailTo(person.person.email);
      await eventually(async () => {
        const [{ count }] = await service.db.query(`SELECT count(*)::int AS count FROM mail_outbox`);
        return count === 0;
      }, 'the mails to go out');
      expect(await mails()).toEqual([]);
    };

    it('once, with the name of the account and no secret', async () => {
      await wantMail();
      await setRow(`nickname = '<b>Long term</b>'`);
      await end();
      await job().run();
      const mail = await service.mailTo(person.person.email, SUBJECT);
      expect(mail.text).toContain('<b>Long term</b>');
      expect(mail.html).toContain('&lt;b&gt;Long term');
      for (const secret of [account.app.apiKey, account.app.apiSecret, account.accessToken]) {
        expect(mail.text + mail.html).not.toContain(secret);
      }
      expect(mail.text.match(/https?:\/\/\S+/g)).toEqual(['http://id.test']);
      await job().run();
      expect(await mails()).toHaveLength(1);
    });

    it('also at the first refusal', async () => {
      await wantMail();
      kite.expireSessions();
      const trader = new Trader(service, person);
      for (let i = 0; i < 2; i++) await trader.verify(id).expect(200, /session_expired/);
      await end();
      await job().run();
      await service.mailTo(person.person.email, SUBJECT);
      expect(await mails()).toHaveLength(1);
    });

    it.each(['{}', '{"session_expired_mail": false}', '{"session_expired_mail": "true"}'])(
      'and not to those whose preferences are %s',
      async (preferences) => {
        await setRow(`preferences = '${preferences}'`);
        await end();
        await job().run();
        await noMail();
      },
    );

    it('and not when another login of theirs has replaced it', async () => {
      await wantMail();
      const token = kite.login(account.app.apiKey, account.brokerUserId);
      const reply = await new Trader(service, person).link(account.app, { request_token: token });
      expect(reply.status).toBe(409);
      expect(await endings()).toHaveLength(1);
      await noMail();
    });
  });

  it('last for less than a day', async () => {
    const { session_expires_at: at } = await rowOf(service, id);
    expect((at as Date).getTime() - Date.now()).toBeLessThanOrEqual(DAY);
    expect((at as Date).toISOString()).toMatch(/T00:30:00\.000Z$/);
  });
});
