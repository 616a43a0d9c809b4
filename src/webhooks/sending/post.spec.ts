import { createServer as createHttps, Server } from 'node:https';
import { AddressInfo, LookupFunction } from 'node:net';
import { HostileServer, reply, startHostileServer } from '../../../test/support/hostile-server';
import { TEST_AUTHORITY, TEST_CERTIFICATE, TEST_KEY } from '../../../test/support/webhook-certificates';
import { post } from './post';
import { sendFailure } from './send-failure';

const toThisMachine: LookupFunction = (_host, options, answer) => {
  if (options.all) answer(null, [{ address: '127.0.0.1', family: 4 }]);
  else answer(null, '127.0.0.1', 4);
};
const what = {
  headers: { 'Content-Type': 'application/json' },
  body: Buffer.from('{}'),
  lookup: toThisMachine,
};

describe('post, to a server that speaks TLS', () => {
  const names: (string | undefined)[] = [];
  let server: Server;
  let port: number;

  beforeAll(async () => {
    server = createHttps({ cert: TEST_CERTIFICATE, key: TEST_KEY }, (request, response) => {
      names.push(request.headers.host);
      request.resume().on('end', () => response.writeHead(200).end('fine'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

  const ask = (host: string, ca?: string) =>
    post(new URL(`https://${host}:${port}/`), { ...what, ca, signal: AbortSignal.timeout(3_000) });
  const failing = (host: string, ca?: string) =>
    ask(host, ca).then(
      () => 'arrived',
      (error: unknown) => sendFailure(error).message,
    );

  it('arrives where a known authority vouches for the name, or for the address', async () => {
    expect(await ask('hooks.example.test', TEST_AUTHORITY)).toEqual({ status: 200 });
    expect(await ask('127.0.0.1', TEST_AUTHORITY)).toEqual({ status: 200 });
    expect(names).toEqual([`hooks.example.test:${port}`, `127.0.0.1:${port}`]);
  });

  it('arrives nowhere else, whatever the environment says', async () => {
    names.length = 0;
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      expect(await failing('hooks.example.test')).toBe('the certificate is not valid');
      expect(await failing('other.example.test', TEST_AUTHORITY)).toBe('the certificate is for another name');
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
    expect(names).toEqual([]);
  });
});

describe('post, to a server that answers what it likes', () => {
  let server: HostileServer;

  beforeAll(async () => {
    server = await startHostileServer();
  });
  afterAll(() => server.stop());

  const ask = (signal = AbortSignal.timeout(2_000)) =>
    post(new URL(`${server.url}/hook?a=b`), { ...what, signal });
  const failing = () =>
    ask().then(
      ({ status }) => `arrived ${status}`,
      (error: unknown) => sendFailure(error).message,
    );

  it('sends one whole request on a connection that is for it alone', async () => {
    server.answer((socket) => socket.end(reply(202, '')));
    expect(await ask()).toEqual({ status: 202 });
    const [request] = server.received.slice(-1);
    expect(request).toMatch(/^POST \/hook\?a=b HTTP\/1\.1\r\n/);
    expect(request).toMatch(/\r\nContent-Length: 2\r\n/);
    expect(request).toMatch(/\r\nConnection: close\r\n/);
    expect(request!.endsWith('\r\n\r\n{}')).toBe(true);
  });

  it.each<[string, Buffer | string, string]>([
    [
      'a redirect, which it does not follow',
      reply(307, '', { Location: 'http://127.0.0.1:1/' }),
      'arrived 307',
    ],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'the answer is not HTTP'],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-', 'the connection was closed'],
    [
      'less than it promised',
      'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf',
      'the connection was closed',
    ],
    ['a head without an end', `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(100_000)}`, 'the answer is not HTTP'],
    [
      'two lengths',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      'the answer is not HTTP',
    ],
    ['a change of protocol', 'HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n', 'arrived 101'],
    [
      'hints first',
      Buffer.concat([Buffer.from('HTTP/1.1 103 Hints\r\n\r\n'), reply(204, '')]),
      'arrived 204',
    ],
    ['nothing', '', 'the connection was closed'],
  ])('takes for what it is: %s', async (_what, bytes, words) => {
    const asked = server.received.length;
    server.answer((socket) => socket.end(bytes));
    expect(await failing()).toBe(words);
    expect(server.received).toHaveLength(asked + 1);
  });

  it('reads no more than it has to of an answer without an end', async () => {
    let sent = 0;
    server.answer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const timer = setInterval(() => {
        if (socket.destroyed) clearInterval(timer);
        else socket.write('x'.repeat(16_384), () => (sent += 16_384));
      }, 1);
      socket.on('close', () => clearInterval(timer));
    });
    expect(await ask()).toEqual({ status: 200 });
    expect(sent).toBeLessThan(8 * 1024 * 1024);
  });

  it.each(['head', 'body'])('ends when it is told to, while a %s comes drop by drop', async (part) => {
    server.answer((socket) => {
      socket.write(
        part === 'head' ? 'HTTP/1.1 200 OK\r\nX: ' : 'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n',
      );
      const timer = setInterval(() => socket.write('x'), 20);
      socket.on('close', () => clearInterval(timer));
    });
    const startedAt = performance.now();
    await expect(ask(AbortSignal.timeout(300))).rejects.toThrow('timeout');
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('does not begin what has ended already', async () => {
    const asked = server.received.length;
    await expect(ask(AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
    expect(server.received).toHaveLength(asked);
  });
});
