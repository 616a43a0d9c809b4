import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { TestService } from '../support/app';
import { newKiteUser, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import { refuseWrites, SHUTTING_DOWN } from '../support/refused-writes';
import { App, callsDuring, livingAt, rowOf, rowsOf, Trader, typesOf } from '../support/trading-life';

const DAY = 86_400_000;

describe('Idempotency-Key', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let trader: Trader;
  let app: App;
  let body: { request_token: string };
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite({ RATELIMIT_BROKER_CALLS: '1000' }));
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = await newVerified(service);
    trader = new Trader(service, person);
    app = kite.newApp();
    body = { request_token: kite.login(app.apiKey, newKiteUser()) };
  });

  const accounts = async () => (await rowsOf(service, person.userId)).accounts!;

  it('answers with the account that the first call made, and asks Kite nothing', async () => {
    const first = await trader.link(app, body, 'a key').expect(201);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    const calls = await callsDuring(kite, async () => {
      const again = await trader.link(app, body, 'a key').expect(201);
      expect(again.headers['idempotency-replayed']).toBe('true');
      expect(again.body).toEqual(first.body);
    });
    expect(calls).toEqual([]);
    expect(await accounts()).toHaveLength(1);
    expect(await typesOf(service, first.body.trading_account_id)).toEqual(['trading_account.linked']);
  });

  it('is kept as a hash, and so is the request', async () => {
    const { body: made } = await trader.link(app, body, 'a key').expect(201);
    const row = await rowOf(service, made.trading_account_id);
    expect(row.idempotency_key_hash).toEqual(createHash('sha256').update('a key').digest());
    expect(row.idempotent_request_hash).toHaveLength(32);
  });

  it('shows the account as it is by now', async () => {
    const { body: made } = await trader.link(app, {}, 'k').expect(201);
    const waiting = await trader.link(app, {}, 'k').expect(201);
    expect(waiting.body).toEqual(made);
    expect(waiting.body.login_url).toContain(app.apiKey);
    await trader.logIn(made.trading_account_id, body.request_token).expect(200);
    const again = await trader.link(app, {}, 'k').expect(201);
    expect(again.body).toMatchObject({
      trading_account_id: made.trading_account_id,
      status: 'active',
    });
    expect(again.body).not.toHaveProperty('login_url');
  });

  it('takes what is left out for null', async () => {
    await trader.link(app, body, 'k').expect(201);
    const again = await trader.link(app, { ...body, nickname: null, access_token: null, more: 1 }, 'k');
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([201, 'true']);
  });

  it('is refused with another body, whatever differs', async () => {
    await trader.link(app, body, 'k').expect(201);
    const others: [App, object][] = [
      [app, {}],
      [app, { ...body, nickname: 'other' }],
      [app, { request_token: kite.login(app.apiKey, 'AB0') }],
      [app, { access_token: body.request_token }],
      [{ ...app, apiSecret: 'x'.repeat(32) }, body],
      [kite.newApp(), body],
    ];
    const calls = await callsDuring(kite, async () => {
      for (const [of, more] of others)
        await expectProblem(trader.link(of, more, 'k'), 409, 'idempotency_key_reused');
    });
    expect(calls).toEqual([]);
    expect(await accounts()).toHaveLength(1);
  });

  it('is somebody’s own: others use the same', async () => {
    await trader.link(app, {}, 'k').expect(201);
    const other = new Trader(service, await newVerified(service));
    const reply = await other.link(app, {}, 'k').expect(201);
    expect(reply.headers['idempotency-replayed']).toBeUndefined();
  });

  it('has a call wait while the first one is under way', async () => {
    const gate = kite.hold();
    const first = trader.link(app, body, 'k').then((reply) => reply);
    while (gate.held() === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const { body: problem } = await expectProblem(
      trader.link(app, body, 'k'),
      409,
      'broker_call_in_progress',
    );
    expect(problem.detail).toMatch(/try again in a few seconds/i);
    await expectProblem(trader.link(app, {}, 'k'), 409, 'idempotency_key_reused');
    gate.release();
    expect((await first).status).toBe(201);
    await trader.link(app, body, 'k').expect(201);
  });

  it('of twenty calls at once makes one account, and no other says anything else', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => trader.link(app, body, 'k')));
    const made = replies.filter(({ status }) => status === 201);
    expect(made.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1);
    expect(new Set(made.map((reply) => reply.body.trading_account_id)).size).toBe(1);
    expect(new Set(replies.filter(({ status }) => status !== 201).map((reply) => reply.body.code))).toEqual(
      new Set(made.length < 20 ? ['broker_call_in_progress'] : []),
    );
    expect(await accounts()).toHaveLength(1);
    expect(livingAt(kite, app)).toHaveLength(1);
  });

  it('of twenty calls at once without a token makes one account for all of them', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => trader.link(app, {}, 'k')));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(replies.map((reply) => reply.body.trading_account_id)).size).toBe(1);
    expect(await accounts()).toHaveLength(1);
  });

  it('can be used again after an error', async () => {
    const wrong = { ...app, apiSecret: 'x'.repeat(32) };
    await expectProblem(trader.link(wrong, body, 'k'), 422, 'broker_refused');
    kite.fault('server_error');
    await expectProblem(trader.link(app, body, 'k'), 503, 'broker_unavailable');
    kite.fault('none');
    const { headers } = await trader.link(app, body, 'k').expect(201);
    expect(headers['idempotency-replayed']).toBeUndefined();
  });

  it('finds what a call has left whose process died before its reply', async () => {
    // As death leaves it: proved at Kite, and neither written nor taken back.
    const [table, of] = ['trading_credentials', 'UPDATE OF access_token'];
    const writable = await refuseWrites(service.db, { table, of, ...SHUTTING_DOWN });
    const removal = { table: 'trading_accounts', of: 'DELETE', ...SHUTTING_DOWN };
    const removable = await refuseWrites(service.db, removal);
    await expectProblem(trader.link(app, body, 'k'), 503, 'unavailable').finally(async () => {
      await writable();
      await removable();
    });
    await expectProblem(trader.link(app, body, 'k'), 409, 'broker_call_in_progress');
    service.advance(60_000);
    const again = await trader.link(app, body, 'k').expect(201);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.body).toMatchObject({ status: 'pending_login' });
    expect(again.body.login_url).toContain(app.apiKey);
    const { trading_account_id: id, login_url: url } = again.body;
    const key = new URL(url).searchParams.get('api_key')!;
    await trader.logIn(id, kite.login(key, newKiteUser())).expect(200, /"status":"active"/);
  });

  it('is free again when its account was unlinked', async () => {
    const { body: made } = await trader.link(app, body, 'k').expect(201);
    await trader.unlink(made.trading_account_id).expect(200);
    const reply = await trader.link(kite.newApp(), {}, 'k').expect(201);
    expect(reply.body.trading_account_id).not.toBe(made.trading_account_id);
  });

  it.each([
    ['', 422],
    ['x', 201],
    ['x'.repeat(255), 201],
    ['x'.repeat(256), 422],
    ['with blanks and ~!@#$%^&*()', 201],
    ['é', 422],
    ['tab\tbed', 422],
  ])('%j is answered %i', async (key, status) => {
    const call = trader.link(app, {}, key);
    if (status === 201) await call.expect(201);
    else await expectInvalid(call, 'Idempotency-Key');
  });

  it('is any printable ASCII, and nothing else', async () => {
    const bytes = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(bytes, async (key) => {
        // What HTTP cannot carry never comes; blanks at the ends do not belong to a header's value.
        if (/[\x00-\x08\x0a-\x1f\x7f]/.test(key) || key.trim() !== key) return;
        const reply = await trader.link(app, {}, key);
        const isKey = /^[\x20-\x7e]+$/.test(key);
        expect([201, 409]).toContain(isKey ? reply.status : 409);
        if (!isKey) expect([reply.status, reply.body.code]).toEqual([422, 'validation_failed']);
      }),
      { numRuns: 60 },
    );
  });

  // The last: it moves the clock by a day.
  it('is forgotten after a day', async () => {
    const { body: made } = await trader.link(app, body, 'k').expect(201);
    service.advance(DAY - 60_000);
    const next = kite.newApp();
    const late = async () => {
      const { person: who } = person;
      const { body: signedIn } = await service
        .client()
        .post('/v1/auth/login', { email: who.email, password: who.password, token_delivery: 'body' })
        .expect(200);
      return new Trader(service, { ...person, accessToken: signedIn.access_token });
    };
    await expectProblem((await late()).link(next, {}, 'k'), 409, 'idempotency_key_reused');
    service.advance(120_000);
    const { body: other } = await (await late()).link(next, {}, 'k').expect(201);
    expect(other.trading_account_id).not.toBe(made.trading_account_id);
    expect(await rowOf(service, made.trading_account_id)).toMatchObject({ idempotency_key_hash: null });
  });
});
