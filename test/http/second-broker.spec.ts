import { Brokers } from '../../src/trading-accounts/brokers/brokers.service';
import type * as Adapters from '../../src/trading-accounts/brokers/broker-adapters';
import { startService, TestService } from '../support/app';
import { PaperBroker } from '../support/paper/paper-broker';
import { newVerified, SignedIn } from '../support/people';
import { expectInvalid } from '../support/problem';

// The registry with one more line: all that a second broker takes beside a folder of its own.
jest.mock('../../src/trading-accounts/brokers/broker-adapters', () => {
  const real = jest.requireActual<typeof Adapters>('../../src/trading-accounts/brokers/broker-adapters');
  const { PaperBroker: paper } = jest.requireActual<{ PaperBroker: typeof PaperBroker }>(
    '../support/paper/paper-broker',
  );
  return { brokerAdapters: [...real.brokerAdapters, paper], brokerNames: [...real.brokerNames, 'paper'] };
});

describe('A second broker', () => {
  let service: TestService;
  let owner: SignedIn;
  beforeAll(async () => {
    service = await startService();
    owner = await newVerified(service);
  });
  afterAll(() => service.stop());

  const app = { broker: 'paper', api_key: 'paper-key-0001', api_secret: 'paper-secret-0001' };
  const post = (path: string, body: object = {}) =>
    service.client().post(`/v1/trading-accounts${path}`, body, owner.accessToken);

  it('is linked, logged in to, verified and unlinked like the first', async () => {
    const { body: linked } = await post('/link', app).expect(201);
    expect(linked).toMatchObject({ broker: 'paper', status: 'pending_login', broker_user_id: null });
    const id: string = linked.trading_account_id;
    expect(linked.login_url).toBe(`https://paper.test/login?trading_account_id=${id}&app=${app.api_key}`);
    const { body: active } = await post(`/${id}/session`, { request_token: 'asha-at-paper' }).expect(200);
    expect(active).toMatchObject({ status: 'active', broker_user_id: 'asha-at-paper' });
    const { body: verified } = await post(`/${id}/verify`).expect(200);
    expect(verified).toMatchObject({ status: 'active', credentials_valid: true });

    const paper = service.app.get(Brokers, { strict: false }).of('paper') as PaperBroker;
    expect(paper['sessions'].size).toBe(1);
    await service.client().delete(`/v1/trading-accounts/${id}`, owner.accessToken).expect(200);
    expect(paper['sessions'].size).toBe(0);
  });

  it('is in the document of the API; a third is nowhere', async () => {
    const { body } = await service.client().get('/openapi.json').expect(200);
    expect(body.components.schemas.LinkBody.properties.broker.enum).toEqual(['kite', 'paper']);
    await expectInvalid(post('/link', { ...app, broker: 'third' }), 'broker');
    expect(() => service.app.get(Brokers, { strict: false }).of('third')).toThrow('no broker third');
  });
});
