import { Logger } from '@nestjs/common';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { loadConfig } from '../src/config/config';
import { freePort } from '../src/embedded/ports';
import { metricsRegistry } from '../src/infra/metrics/metrics-registry';
import { BrokerFailure, BrokerFailureKind } from '../src/trading-accounts/brokers/broker';
import { KiteBroker } from '../src/trading-accounts/brokers/kite/kite-broker';
import { everythingIn, expectFailure, failureOf } from './contract/broker.contract';
import { HostileServer, reply, startHostileServer } from './support/hostile-server';

const APP = { apiKey: 'kitekeykitekey12', apiSecret: 'secretsecretsecretsecretsecret12' };
const LOGIN = { apiKey: APP.apiKey, accessToken: 'accesstokenaccesstokenaccess1234' };
const REQUEST_TOKEN = 'requesttokenrequesttokenrequest1';
const SESSION = { user_id: 'AB1234', api_key: APP.apiKey, access_token: LOGIN.accessToken, extra: {} };

const success = (data: unknown): string => JSON.stringify({ status: 'success', data });
const failure = (error_type: string): string =>
  JSON.stringify({ status: 'error', message: `about ${LOGIN.accessToken}`, data: null, error_type });

beforeAll(() => Logger.overrideLogger(false));
afterAll(() => Logger.overrideLogger(true));

describe('KiteBroker', () => {
  let server: HostileServer;
  let broker: KiteBroker;
  beforeEach(async () => {
    server = await startHostileServer();
    broker = brokerAt(server.url);
  });
  afterEach(() => server.stop());

  const brokerAt = (url: string, more: Record<string, string> = {}): KiteBroker =>
    new KiteBroker(
      loadConfig({
        KITE_API_BASE_URL: url,
        KITE_API_TIMEOUT_SECONDS: '1',
        KITE_API_MAX_RETRIES: '0',
        ...more,
      }),
    );
  const answer = (status: number, body: string | Buffer, headers: Record<string, string> = {}): void =>
    server.answer((socket) => void socket.end(reply(status, body, headers)));
  const profile = (): Promise<unknown> => broker.profile(LOGIN);
  const exchange = (): Promise<unknown> => broker.exchange(APP, REQUEST_TOKEN);
  const seconds = async (call: () => Promise<unknown>): Promise<number> => {
    const begin = performance.now();
    await failureOf(call());
    return (performance.now() - begin) / 1000;
  };

  describe('asks as Kite documents it', () => {
    const request = () => {
      const [head, body] = server.received[0]!.split('\r\n\r\n') as [string, string];
      const [line, ...headers] = head.split('\r\n') as [string, ...string[]];
      return { line, body, headers: headers.map((header) => header.toLowerCase()) };
    };

    it('for a session', async () => {
      answer(200, success(SESSION));
      expect(await exchange()).toEqual({ brokerUserId: 'AB1234', accessToken: LOGIN.accessToken });
      const { line, headers, body } = request();
      expect(line).toBe('POST /session/token HTTP/1.1');
      expect(headers).toContain('x-kite-version: 3');
      expect(headers).toContainEqual(
        expect.stringMatching(/^content-type: application\/x-www-form-urlencoded/),
      );
      const checksum = createHash('sha256')
        .update(APP.apiKey + REQUEST_TOKEN + APP.apiSecret)
        .digest('hex');
      expect(body).toBe(`api_key=${APP.apiKey}&request_token=${REQUEST_TOKEN}&checksum=${checksum}`);
      expect(server.received[0]).not.toContain(APP.apiSecret);
    });

    it('for the profile', async () => {
      answer(200, success({ user_id: 'AB1234', email: null }));
      expect(await profile()).toEqual({ brokerUserId: 'AB1234' });
      const { line, headers } = request();
      expect(line).toBe('GET /user/profile HTTP/1.1');
      expect(headers).toContain(`authorization: token ${LOGIN.apiKey}:${LOGIN.accessToken}`);
      expect(headers).toContain('x-kite-version: 3');
    });

    it('for the end of a session', async () => {
      answer(200, success(true));
      await broker.logout(LOGIN);
      const query = `api_key=${LOGIN.apiKey}&access_token=${LOGIN.accessToken}`;
      expect(request().line).toBe(`DELETE /session/token?${query} HTTP/1.1`);
    });

    it('under a base URL with a path, on a connection that is used once', async () => {
      broker = brokerAt(`${server.url}/kite/`);
      answer(200, success({ user_id: 'AB1234' }));
      await profile();
      expect(request().line).toBe('GET /kite/user/profile HTTP/1.1');
      expect(request().headers).toContain('connection: close');
    });
  });

  describe('decides by error_type, whatever the status', () => {
    it.each<[type: string, kind: BrokerFailureKind]>([
      ['TokenException', 'session_over'],
      ['InputException', 'refused'],
      ['PermissionException', 'refused'],
      ['UserException', 'refused'],
      ['TwoFAException', 'refused'],
      ['GeneralException', 'unavailable'],
      ['NetworkException', 'unavailable'],
      ['DataException', 'unavailable'],
      ['OrderException', 'bad_answer'],
      ['toString', 'bad_answer'],
      ['__proto__', 'bad_answer'],
    ])('%s: %s', async (type, kind) => {
      for (const status of [200, 400, 403]) {
        answer(status, failure(type));
        await expectFailure(exchange(), kind);
        await expectFailure(profile(), kind);
      }
    });

    it.each<[status: number, body: string, kind: BrokerFailureKind]>([
      [403, '<html>Blocked by a firewall</html>', 'bad_answer'],
      [403, '{}', 'bad_answer'],
      [401, '', 'bad_answer'],
      [400, success(SESSION), 'bad_answer'],
      [403, success(SESSION), 'bad_answer'],
      [500, '', 'unavailable'],
      [502, '<html>Bad gateway</html>', 'unavailable'],
      [503, success(SESSION), 'unavailable'],
      [504, failure('SomethingNewException'), 'unavailable'],
      [500, failure('TokenException'), 'session_over'],
      [429, failure('InputException'), 'unavailable'],
      [429, '', 'unavailable'],
    ])('%d with %j: %s', async (status, body, kind) => {
      answer(status, body);
      await expectFailure(exchange(), kind);
    });
  });

  it.each([
    ['2', 2],
    ['0', 0],
    ['Wed, 21 Oct 2026 07:28:00 GMT', undefined],
    ['-1', undefined],
    ['1e9', undefined],
    ['999999999', undefined],
  ])('reads Retry-After: %s', async (text, retryAfter) => {
    answer(429, failure('NetworkException'), { 'Retry-After': text });
    expect((await failureOf(profile())).details.retryAfter).toBe(retryAfter);
    answer(503, '', { 'Retry-After': text });
    expect((await failureOf(profile())).details.retryAfter).toBe(retryAfter);
  });

  describe('believes no answer of another form', () => {
    it.each([
      '',
      'null',
      '[]',
      '"success"',
      '{"status":"success"}',
      '{"status":"success","data":null}',
      '{"status":"success","data":[]}',
      '{"data":{"user_id":"AB1234"}}',
      '{"status":"ok","data":{"user_id":"AB1234"}}',
      success({ user_id: 1234 }),
      success({ user_id: '' }),
      success({ user_id: 'A'.repeat(65) }),
      success({ user_id: 'AB 1234' }),
      success({ user_id: 'AB1234\r\nX: y' }),
      success({ ...SESSION, access_token: undefined }),
      success({ ...SESSION, access_token: '' }),
      success({ ...SESSION, access_token: 'a\nb' }),
      success({ ...SESSION, access_token: 'A'.repeat(513) }),
      success({ ...SESSION, access_token: { $gt: '' } }),
      success({ ...SESSION, api_key: 'of-another-app' }),
      `${success(SESSION)}x`,
    ])('%s', async (body) => {
      answer(200, body);
      await expectFailure(exchange(), 'bad_answer');
    });

    it('of any form at all', async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 200, max: 599 }), fc.json(), async (status, body) => {
          answer(status, body);
          expect(['bad_answer', 'unavailable']).toContain((await failureOf(exchange())).kind);
        }),
        { numRuns: 60 },
      );
    });

    it('nor one with a status of success that is not 200', async () => {
      server.answer((socket) => void socket.end('HTTP/1.1 204 No Content\r\n\r\n'));
      await expectFailure(profile(), 'bad_answer');
    });
  });

  describe('ends in time, and keeps what it was told short', () => {
    const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
    const drip = (socket: Socket, text: string, drop = ' '): void => {
      socket.write(text);
      const timer = setInterval(() => socket.write(drop), 50);
      socket.on('close', () => clearInterval(timer));
    };

    const SILENT: Record<string, (socket: Socket) => void> = {
      'no word': () => undefined,
      'headers that never end': (socket) => drip(socket, `${HEAD}X-Slow:`),
      'a body that never ends': (socket) => drip(socket, `${HEAD}Content-Length: 60000\r\n\r\n{`),
      'chunks that never end': (socket) =>
        drip(socket, `${HEAD}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'),
    };

    it(Object.keys(SILENT).join(', '), async () => {
      const ask = async (act: (socket: Socket) => void): Promise<void> => {
        const silent = await startHostileServer();
        silent.answer(act);
        const one = brokerAt(silent.url);
        const begin = performance.now();
        const calls = [one.profile(LOGIN), one.exchange(APP, REQUEST_TOKEN), one.logout(LOGIN)];
        await Promise.all(calls.map((call) => expectFailure(call, 'unavailable')));
        const taken = (performance.now() - begin) / 1000;
        expect(taken).toBeGreaterThan(0.9);
        expect(taken).toBeLessThan(3);
        await silent.stop();
      };
      await Promise.all(Object.values(SILENT).map(ask));
    });

    it.each<[what: string, act: (socket: Socket) => void]>([
      ['rubbish', (socket) => void socket.end('\x00\x01 this is no HTTP \r\n\r\n')],
      ['a hung up connection', (socket) => void socket.destroy()],
      ['a reset', (socket) => void socket.resetAndDestroy()],
      ['half a body', (socket) => void socket.end(`${HEAD}Content-Length: 100\r\n\r\n{"status"`)],
      ['half closed', (socket) => void socket.end()],
      [
        'a broken chunk',
        (socket) => void socket.end(`${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n`),
      ],
      ['too many headers', (socket) => void socket.end(`${HEAD}X: ${'x'.repeat(200_000)}\r\n\r\n{}`)],
      [
        'what is not packed',
        (socket) => void socket.end(reply(200, success(SESSION), { 'Content-Encoding': 'gzip' })),
      ],
    ])('%s: at once', async (_what, act) => {
      server.answer(act);
      // Before its deadline.
      expect((await failureOf(profile())).message).not.toMatch(/within|Timeout|Abort/);
      await expectFailure(exchange(), 'unavailable');
    });

    it('a body that is packed, and small', async () => {
      answer(200, gzipSync(success(SESSION)), { 'Content-Encoding': 'gzip' });
      expect(await exchange()).toMatchObject({ brokerUserId: 'AB1234' });
    });

    it('a body that grows without end when it is unpacked', async () => {
      const bomb = gzipSync(Buffer.alloc(200_000_000, ' '));
      expect(bomb.length).toBeLessThan(250_000);
      const before = process.memoryUsage().rss;
      answer(200, bomb, { 'Content-Encoding': 'gzip' });
      await expectFailure(profile(), 'bad_answer');
      await expectFailure(exchange(), 'bad_answer');
      expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    });

    it('a body of 64 KiB, and not one byte more', async () => {
      const of = (bytes: number): string => success({ user_id: 'AB1234' }).padEnd(bytes);
      answer(200, of(65_536));
      expect(await profile()).toEqual({ brokerUserId: 'AB1234' });
      answer(200, of(65_537));
      await expectFailure(profile(), 'bad_answer');
    });

    it('nobody at the address', async () => {
      broker = brokerAt(`http://127.0.0.1:${await freePort()}`);
      expect((await failureOf(profile())).message).toMatch(/ECONNREFUSED/);
      expect((await failureOf(exchange())).message).toMatch(/ECONNREFUSED/);
    });

    it('no address at all', async () => {
      broker = brokerAt('');
      await expectFailure(profile(), 'unavailable');
      await expectFailure(exchange(), 'unavailable');
      await expectFailure(broker.logout(LOGIN), 'unavailable');
    });
  });

  it.each<[what: string, isUnknown: boolean, status: number, body: string]>([
    ['no answer that can be read', true, 200, '{'],
    ['trouble there', true, 502, ''],
    ['that it cannot answer this', true, 400, failure('GeneralException')],
    ['that an app calls too often', false, 429, ''],
    ['that it refuses', false, 403, failure('TokenException')],
  ])(
    'leaves open whether it has done what it was asked for: %s, %j',
    async (_what, isUnknown, status, body) => {
      answer(status, body);
      expect((await failureOf(exchange())).isOutcomeUnknown).toBe(isUnknown);
    },
  );

  it.each([301, 302, 307, 308])('does not follow a %d with credentials elsewhere', async (status) => {
    const elsewhere = await startHostileServer();
    elsewhere.answer((socket) => void socket.end(reply(200, success(SESSION))));
    answer(status, '', { Location: `${elsewhere.url}/user/profile` });
    await expectFailure(profile(), 'bad_answer');
    await expectFailure(exchange(), 'bad_answer');
    await expectFailure(broker.logout(LOGIN), 'bad_answer');
    expect(elsewhere.received).toEqual([]);
    await elsewhere.stop();
  });

  it('tells nothing secret of any failure, not even what Kite says', async () => {
    const acts: ((socket: Socket) => void)[] = [
      (socket) => void socket.end(reply(403, failure('TokenException'))),
      (socket) => void socket.end(reply(400, failure('InputException'))),
      (socket) => void socket.end(reply(200, success({ ...SESSION, user_id: 7 }))),
      (socket) => void socket.end(`HTTP/1.1 200 OK\r\n${LOGIN.accessToken}\r\n\r\n`),
      (socket) => void socket.resetAndDestroy(),
      () => undefined,
    ];
    for (const act of acts) {
      server.answer(act);
      const calls = [exchange(), profile(), broker.logout(LOGIN)];
      const told = await Promise.all(
        calls.map((call) => call.catch((error: unknown) => everythingIn(error))),
      );
      for (const secret of [APP.apiKey, APP.apiSecret, LOGIN.accessToken, REQUEST_TOKEN])
        expect(told.join('\n')).not.toContain(secret);
    }
  });

  describe('tries again', () => {
    beforeEach(() => {
      broker = brokerAt(server.url, { KITE_API_MAX_RETRIES: '3' });
    });

    it('what may be repeated, until it works', async () => {
      server.answer((socket, request) =>
        request < 3 ? socket.destroy() : socket.end(reply(200, success({ user_id: 'AB1234' }))),
      );
      expect(await profile()).toEqual({ brokerUserId: 'AB1234' });
      expect(server.received).toHaveLength(3);
    });

    it('so often and no more, and a logout that was heard is one', async () => {
      answer(502, '');
      await expectFailure(profile(), 'unavailable');
      expect(server.received).toHaveLength(4);
      server.answer((socket, request) =>
        request === 5 ? socket.destroy() : socket.end(reply(403, failure('TokenException'))),
      );
      await broker.logout(LOGIN);
      expect(server.received).toHaveLength(6);
    });

    it('no exchange, and nothing that was answered', async () => {
      answer(502, '');
      await expectFailure(exchange(), 'unavailable');
      expect(server.received).toHaveLength(1);
      for (const [status, body] of [
        [403, failure('TokenException')],
        [400, failure('InputException')],
        [429, ''],
        [400, failure('GeneralException')],
        [200, failure('NetworkException')],
        [200, '{'],
      ] as const) {
        const before = server.received.length;
        answer(status, body);
        await failureOf(profile());
        expect(server.received.length - before).toBe(1);
      }
    });

    it('within one deadline for all of it', async () => {
      broker = brokerAt(server.url, { KITE_API_MAX_RETRIES: '10' });
      answer(502, '');
      expect(await seconds(profile)).toBeLessThan(3);
      expect(server.received.length).toBeGreaterThan(2);
    });
  });

  describe('leaves Kite alone while it fails', () => {
    let clock: jest.SpyInstance<number, []>;
    let offset: number;
    beforeEach(() => {
      offset = 0;
      const real = Date.now.bind(Date);
      clock = jest.spyOn(Date, 'now').mockImplementation(() => real() + offset);
    });
    afterEach(() => clock.mockRestore());

    const metric = async (name: string, labels: Record<string, string> = {}): Promise<number> => {
      const { values } = await metricsRegistry.getSingleMetric(name)!.get();
      const fits = ({ labels: own }: (typeof values)[number]) =>
        Object.entries({ broker: 'kite', ...labels }).every(([label, value]) => own[label] === value);
      return values.filter(fits).reduce((sum, { value }) => sum + value, 0);
    };
    const isOpen = () => metric('user_service_broker_circuit_open');
    const counted = (operation: string, result: string) =>
      metric('user_service_broker_calls_total', { operation, result });
    const fail = async (times: number): Promise<void> => {
      for (let call = 0; call < times; call++) await expectFailure(profile(), 'unavailable');
    };

    it('after ten calls in a row without an answer: then at once, and without a call', async () => {
      answer(502, '');
      await fail(9);
      expect(await isOpen()).toBe(0);
      await fail(1);
      expect(await isOpen()).toBe(1);
      expect(server.received).toHaveLength(10);
      const before = await counted('exchange', 'not_tried');
      const failed = await failureOf(exchange());
      expect([failed.kind, failed.details.retryAfter]).toEqual(['unavailable', 5]);
      expect(server.received).toHaveLength(10);
      expect(await counted('exchange', 'not_tried')).toBe(before + 1);
    });

    it.each(['GeneralException', 'DataException', 'NetworkException'])(
      'also for %s with a status of trouble there',
      async (type) => {
        answer(500, failure(type));
        await fail(10);
        expect(await isOpen()).toBe(1);
      },
    );

    it('until one call finds it well again, while the others do not wait', async () => {
      answer(502, '');
      await fail(10);
      offset = 5_001;
      let finish = (): void => undefined;
      server.answer((socket) => {
        finish = () => void socket.end(reply(200, success({ user_id: 'AB1234' })));
      });
      const probe = profile();
      while (server.received.length < 11) await new Promise((resolve) => setTimeout(resolve, 5));
      const others = await Promise.all(Array.from({ length: 20 }, () => failureOf(profile())));
      expect(new Set(others.map(({ kind }) => kind))).toEqual(new Set(['unavailable']));
      expect(server.received).toHaveLength(11);
      finish();
      expect(await probe).toEqual({ brokerUserId: 'AB1234' });
      expect(await isOpen()).toBe(0);
      answer(200, success({ user_id: 'AB1234' }));
      await Promise.all(Array.from({ length: 20 }, profile));
    });

    it('and on, when it does not', async () => {
      answer(502, '');
      await fail(10);
      offset = 5_001;
      await fail(1);
      expect(server.received).toHaveLength(11);
      expect(await isOpen()).toBe(1);
      await fail(1);
      expect(server.received).toHaveLength(11);
    });

    it.each([
      ['that it refuses', 403, failure('TokenException')],
      ['that an app is wrong', 400, failure('InputException')],
      ['that an app calls too often', 429, ''],
      ['what one call cannot be answered', 400, failure('GeneralException')],
      ['data that it does not have', 404, failure('DataException')],
      ['what cannot be understood', 200, '<html>'],
    ])('but not for %s', async (_what, status, body) => {
      answer(502, '');
      await fail(9);
      answer(status, body);
      for (let call = 0; call < 25; call++) await failureOf(profile());
      answer(502, '');
      await fail(9);
      answer(200, success({ user_id: 'AB1234' }));
      expect(await profile()).toEqual({ brokerUserId: 'AB1234' });
    });

    it('and is known by one that was well all the time', async () => {
      answer(502, '');
      await fail(10);
      const other = await startHostileServer();
      other.answer((socket) => void socket.end(reply(200, success({ user_id: 'AB1234' }))));
      expect(await brokerAt(other.url).profile(LOGIN)).toEqual({ brokerUserId: 'AB1234' });
      await other.stop();
    });

    it.each<[result: string, status: number, body: string]>([
      ['ok', 200, success(SESSION)],
      ['session_over', 403, failure('TokenException')],
      ['refused', 400, failure('InputException')],
      ['limited', 429, ''],
      ['unavailable', 502, ''],
      ['bad_answer', 200, '{'],
    ])('counts calls: %s', async (result, status, body) => {
      answer(status, body);
      const before = await counted('exchange', result);
      const all = await metric('user_service_broker_calls_total');
      await exchange().catch((error: unknown) => expect(error).toBeInstanceOf(BrokerFailure));
      expect(await counted('exchange', result)).toBe(before + 1);
      expect(await metric('user_service_broker_calls_total')).toBe(all + 1);
    });
  });

  it.each([
    ['2026-11-23T10:00:00Z', '2026-11-24T00:30:00Z'],
    ['2026-11-24T00:29:59.999Z', '2026-11-24T00:30:00Z'],
    ['2026-11-24T00:30:00Z', '2026-11-25T00:30:00Z'],
    ['2026-11-23T23:59:59Z', '2026-11-24T00:30:00Z'],
    ['2026-12-31T20:00:00Z', '2027-01-01T00:30:00Z'],
    ['2028-02-29T05:59:00+05:30', '2028-02-29T06:00:00+05:30'],
  ])('has a session of %s end at the next six in India, %s', (from, end) => {
    expect(broker.sessionEnd(new Date(from))).toEqual(new Date(end));
    const inIndia = broker.sessionEnd(new Date(from)).toLocaleTimeString('en-GB', {
      timeZone: 'Asia/Kolkata',
    });
    expect(inIndia).toBe('06:00:00');
  });
});
