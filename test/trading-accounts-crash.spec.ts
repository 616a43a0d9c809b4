import { Client } from 'pg';
import request from 'supertest';
import { embeddedUrls } from '../src/embedded/embedded-urls';
import { KiteSandbox, startKiteSandbox } from '../src/embedded/kite-sandbox/kite-sandbox';
import { eventually } from './support/app';
import { newPerson, tokenIn } from './support/people';
import { ServicePlace, ServiceProgram } from './support/service-process';

/** The whole program, killed between the login at Kite and the commit. */
describe('a service that is killed while Kite is asked', () => {
  let place: ServicePlace;
  let kite: KiteSandbox;
  let program: ServiceProgram;
  let accessToken: string;
  const person = newPerson();
  const start = async (): Promise<void> => {
    const addresses = { KITE_API_BASE_URL: kite.url, KITE_LOGIN_URL: kite.loginUrl };
    program = await place.service(addresses).ready();
  };
  beforeAll(async () => {
    kite = await startKiteSandbox();
    place = await ServicePlace.make();
    await start();
    await post('auth/register', person).expect(201);
    const mail = await eventually(async () => {
      const { body } = await http().get('/dev/mailbox').set('Accept', 'application/json');
      return body.messages[0] as { text: string } | undefined;
    }, 'the mail with the link');
    const token = tokenIn(mail);
    await post('auth/email/verify', { token }).expect(200);
    const { body } = await post('auth/login', { ...person, token_delivery: 'body' }).expect(200);
    accessToken = body.access_token;
  }, 60_000);
  afterAll(async () => {
    await place.remove();
    await kite.stop();
  }, 30_000);

  const http = () => request(`http://127.0.0.1:${place.port}`);
  const post = (path: string, body: object) => {
    const call = http().post(`/v1/${path}`).send(body);
    return accessToken ? call.set('Authorization', `Bearer ${accessToken}`) : call;
  };
  const linkBody = ({ apiKey, apiSecret }: ReturnType<KiteSandbox['newApp']>) => ({
    broker: 'kite',
    api_key: apiKey,
    api_secret: apiSecret,
  });

  /** As if the longest time that a call can take had passed. */
  const endTurns = async (): Promise<void> => {
    const client = new Client({ connectionString: (await embeddedUrls(place.dataDir))!.databaseUrl });
    await client.connect();
    await client.query('UPDATE trading_accounts SET turn_ends_at = now() WHERE turn_id IS NOT NULL');
    await client.end();
  };

  it('loses nothing that was in force, nor what waits, and its link can be repeated', async () => {
    const [app, next, second] = [kite.newApp(), kite.newApp(), kite.newApp()];
    const first = { ...linkBody(app), request_token: kite.login(app.apiKey, 'AB1234') };
    const { body: account } = await post('trading-accounts/link', first).expect(201);
    const path = `trading-accounts/${account.trading_account_id}`;
    await post(`${path}/rotate-credentials`, linkBody(next)).expect(200);

    // Kite opens both sessions, and nobody hears of it.
    kite.fault('slow');
    const login = post(`${path}/session`, { request_token: kite.login(next.apiKey, 'AB1234') });
    const body = { ...linkBody(second), request_token: kite.login(second.apiKey, 'CD5678') };
    const link = () => post('trading-accounts/link', body).set('Idempotency-Key', 'lost');
    const lost = [login, link()].map((call) => call.then(() => 'answered').catch(() => 'lost'));
    await eventually(async () => kite.sessions().length === 3, 'the logins at Kite');
    await program.end('SIGKILL');
    kite.fault('none');
    expect(await Promise.all(lost)).toEqual(['lost', 'lost']);
    await start();

    const { body: shown } = await http()
      .get(`/v1/${path}`)
      .set('Authorization', `Bearer ${accessToken}`)
      .expect(200);
    expect(shown).toMatchObject({ status: 'active', broker_user_id: 'AB1234', rotation_pending: true });
    expect((await post(`${path}/verify`, {}).expect(200)).body.credentials_valid).toBe(true);
    const finish = () => post(`${path}/session`, { request_token: kite.login(next.apiKey, 'AB1234') });
    for (const call of [finish, link]) {
      const { status, body: problem } = await call();
      expect([status, problem.code]).toEqual([409, 'broker_call_in_progress']);
    }

    await endTurns();
    expect((await finish().expect(200)).body).toMatchObject({ status: 'active', rotation_pending: false });
    const repeated = await link().expect(201).expect('Idempotency-Replayed', 'true');
    expect(repeated.body).toMatchObject({ status: 'pending_login', broker_user_id: null });
    expect(repeated.body.login_url).toContain(second.apiKey);
    const proof = { request_token: kite.login(second.apiKey, 'CD5678') };
    const { body: linked } = await post(
      `trading-accounts/${repeated.body.trading_account_id}/session`,
      proof,
    ).expect(200);
    expect(linked).toMatchObject({ status: 'active', broker_user_id: 'CD5678' });
  }, 60_000);
});
