import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { ExpireSessions } from '../../src/trading-accounts/logins/expire-sessions';
import { ExpirySchedule } from '../../src/trading-accounts/logins/expiry-schedule';
import { SessionEndRecord } from '../../src/trading-accounts/logins/session-end-record';
import { eventually, TestService } from '../support/app';
import { LinkedAccount, linkAccount, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { credentialsOf, historyOf, rowOf, settled, Trader, typesOf } from '../support/trading-life';

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
    // The other process has looked by itself when it started.
    expect(counts.reduce((sum, count) => sum + count, rest)).toBeLessThanOrEqual(8);
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

    it('once, with the name of the account, whoever chose it, and no secret', async () => {
      await wantMail();
      await setRow(`nickname = '<b>Long” is locked. Confirm at https://evil.example/login'`);
      await end();
      await job().run();
      const mail = await service.mailTo(person.person.email, SUBJECT);
      const named =
        'the account “<b>Long” is locked. Confirm at https: / / evil. example/ login” at kite is over';
      expect(mail.text.replace(/\s+/g, ' ')).toContain(named);
      expect(mail.html).toContain('&lt;b&gt;Long');
      expect(mail.text + mail.html).not.toContain('evil.example');
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
      await settled(service);
      expect(await endings()).toHaveLength(1);
      await noMail();
    });
  });

  it('are noticed beside one whose owner somebody keeps locked', async () => {
    const hasty = await service.another({ DATABASE_QUERY_TIMEOUT_MS: '500' });
    const stranger = await newVerified(service);
    const second = await linkAccount(service, kite, stranger);
    await setRow(`session_expires_at = now() - interval '2 minutes'`);
    await end(second.accountId);
    await service.db.transaction(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`user:${person.userId}`]);
      expect(await job(hasty).run()).toBe(1);
    });
    expect(await rowOf(service, second.accountId)).toMatchObject({ status: 'session_expired' });
    await hasty.stop();
    expect(await job().run()).toBe(1);
  });

  it('end a run when PostgreSQL cannot be asked any more', async () => {
    await end();
    const { manager } = service.db;
    const gone = new Error('Connection terminated unexpectedly');
    jest.spyOn(manager, 'transaction').mockRejectedValue(gone);
    const real = manager.query.bind(manager);
    jest
      .spyOn(manager, 'query')
      .mockImplementation(async (...asked) =>
        asked[0] === 'SELECT 1' ? Promise.reject(gone) : real(...asked),
      );
    await expect(job().run()).rejects.toThrow('Connection terminated');
  });

  it('that began before six in India end at that six, even if they are stored after it', async () => {
    const { session_expires_at: at } = await rowOf(service, id);
    const left = (at as Date).getTime() - Date.now();
    const gate = kite.hold();
    const token = kite.login(account.app.apiKey, account.brokerUserId);
    const login = new Trader(service, person).logIn(id, token).then((reply) => reply);
    await eventually(async () => gate.held() === 1, 'Kite to be asked');
    service.advance(left + 500);
    gate.release();
    expect((await login).body).toMatchObject({
      status: 'active',
      session_expires_at: (at as Date).toISOString(),
    });
    await job().run();
    service.advance(-left - 500);
    expect(await rowOf(service, id)).toMatchObject({ status: 'session_expired' });
  });

  it('that live on beyond it are looked at again minutes later', async () => {
    await end();
    await job().run();
    const trader = new Trader(service, person);
    await trader.verify(id).expect(200, /"status":"active"/);
    const { session_expires_at: at } = await rowOf(service, id);
    expect((at as Date).getTime() - Date.now()).toBeLessThanOrEqual(5 * 60_000);
    await trader.verify(id).expect(200, /"status":"active"/);
    expect(await rowOf(service, id)).toMatchObject({ session_expires_at: at });
    service.advance(5 * 60_000);
    expect(await job().run()).toBe(1);
    service.advance(-5 * 60_000);
  });

  it('last for less than a day', async () => {
    const { session_expires_at: at } = await rowOf(service, id);
    expect((at as Date).getTime() - Date.now()).toBeLessThanOrEqual(DAY);
    expect((at as Date).toISOString()).toMatch(/T00:30:00\.000Z$/);
  });
});
