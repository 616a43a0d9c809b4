import { NameResolver } from '../src/webhooks/sending/name-resolver';
import { eventually, startService, TestService } from './support/app';
import { deliveriesOf, happen, newWebhook, Receiver, says, startReceiver } from './support/webhook-world';

/** One address of this machine may be reached, and its others may not. */
describe('Webhooks, to addresses that are not public', () => {
  let service: TestService;
  let receiver: Receiver;
  let asked: string[] = [];
  let meaning: string[] = [];

  beforeAll(async () => {
    service = await startService({ WEBHOOK_PRIVATE_NETWORKS: '127.0.0.1', WEBHOOK_TIMEOUT_SECONDS: '1' });
    const names = service.app.get(NameResolver);
    const addressesOf = names.addressesOf.bind(names);
    names.addressesOf = async (host, signal) => {
      asked.push(host);
      return /\.test$/.test(host) ? meaning : addressesOf(host, signal);
    };
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    receiver = await startReceiver();
    asked = [];
  });
  afterEach(async () => {
    await receiver.stop();
    await service.db.query('DELETE FROM webhooks');
  });

  /** What comes of a webhook for this URL. */
  const outcome = async (url: string) => {
    const webhook = await newWebhook(service, url);
    await happen(service);
    const delivery = await eventually(async () => {
      const [one] = await deliveriesOf(service.db, webhook.id);
      return one && one.attempts > 0 && one;
    }, 'an attempt');
    await service.db.query('DELETE FROM webhooks WHERE id = $1', [webhook.id]);
    return delivery.last_error ?? delivery.status;
  };

  it('go to those that the operator allows, and to the address that was checked', async () => {
    expect(await outcome(`http://127.0.0.1:${receiver.port}/`)).toBe('delivered');
    // No name server knows the name: the connection can only be to what the one question said.
    meaning = ['127.0.0.1'];
    expect(await outcome(`http://hooks.test:${receiver.port}/`)).toBe('delivered');
    expect(asked).toEqual(['127.0.0.1', 'hooks.test']);
    expect(receiver.received.map(({ headers }) => headers.host)).toEqual([
      `127.0.0.1:${receiver.port}`,
      `hooks.test:${receiver.port}`,
    ]);
  });

  it.each([
    ['this machine', ['127.0.0.2']],
    ['this machine, in IPv6', ['::1']],
    ['this machine, inside IPv6', ['::ffff:127.0.0.2']],
    ['any address', ['0.0.0.0']],
    ['the metadata of a cloud', ['169.254.169.254']],
    ['a private network', ['10.0.0.5']],
    ['one that is allowed and one that is not', ['127.0.0.1', '127.0.0.2']],
    ['a public one and a private one', ['8.8.8.8', '192.168.0.1']],
  ])('are refused where a name means %s', async (_what, addresses) => {
    meaning = addresses;
    const urls = ['http', 'https'].map((scheme) => `${scheme}://hooks.test:${receiver.port}/`);
    expect(await Promise.all(urls.map(outcome))).toEqual(Array(2).fill('the address is not public'));
    expect(receiver.received).toEqual([]);
  });

  it('are refused where a public name would be told without TLS', async () => {
    meaning = ['8.8.8.8'];
    expect(await outcome(`http://hooks.test:${receiver.port}/`)).toBe(
      'without TLS only networks of our own are reached',
    );
  });

  it('are refused however a URL writes them', async () => {
    const hosts = ['127.0.0.2', '[::1]', '[::ffff:127.0.0.2]', '2130706434', '0x7f.2', 'localhost', '0'];
    const urls = [...hosts, '[64:ff9b::7f00:2]'].map((host) => `http://${host}:${receiver.port}/`);
    for (const [index, words] of (await Promise.all(urls.map(outcome))).entries())
      expect([urls[index], words]).toEqual([urls[index], 'the address is not public']);
    expect(receiver.received).toEqual([]);
  });

  it('say of a name without addresses that it has none', async () => {
    meaning = [];
    expect(await outcome('https://hooks.test/')).toBe('the name does not resolve');
  });

  it('follow no redirect there', async () => {
    const inside = await startReceiver();
    receiver.answer(says(307, { Location: inside.url.replace('127.0.0.1', '127.0.0.2') }));
    expect(await outcome(receiver.url)).toBe('answered 307');
    receiver.answer(says(301, { Location: inside.url }));
    expect(await outcome(receiver.url)).toBe('answered 301');
    expect(inside.received).toEqual([]);
    await inside.stop();
  });

  it('look again each time: a name that means something else by then is refused', async () => {
    meaning = ['127.0.0.1'];
    const webhook = await newWebhook(service, `http://hooks.test:${receiver.port}/`);
    await happen(service);
    await eventually(async () => receiver.received.length === 1, 'the event');
    meaning = ['127.0.0.2'];
    await happen(service);
    await eventually(
      async () => (await deliveriesOf(service.db, webhook.id))[1]?.attempts === 1,
      'an attempt',
    );
    expect((await deliveriesOf(service.db, webhook.id))[1]).toMatchObject({
      status: 'pending',
      last_error: 'the address is not public',
      last_status: null,
    });
    meaning = ['127.0.0.1'];
    service.advance(10_000);
    await eventually(async () => receiver.received.length === 2, 'the second event');
  });

  it('do not use a proxy that the environment names', async () => {
    const proxy = await startReceiver();
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY'];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) process.env[name] = `http://127.0.0.1:${proxy.port}`;
    try {
      expect(await outcome(receiver.url)).toBe('delivered');
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
    expect(proxy.received).toEqual([]);
    await proxy.stop();
  });
});
