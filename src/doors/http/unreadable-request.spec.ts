import { AddressInfo, connect, createServer, Server } from 'node:net';
import { text } from 'node:stream/consumers';
import pino from 'pino';
import { isId } from '../../common/ids';
import { answerUnreadable } from './unreadable-request';

describe('A request that is no HTTP', () => {
  let server: Server;
  let lines: string[];
  const logger = pino({ base: null, timestamp: false }, { write: (line) => lines.push(line) });
  beforeEach(() => void (lines = []));
  afterEach(() => new Promise((closed) => server.close(closed)));

  /** All that a client gets who has sent something, or nothing, and whose connection failed with this code. */
  async function replyTo(code?: string, sent = 'NONSENSE'): Promise<string> {
    server = createServer((socket) => {
      const fail = (): void =>
        answerUnreadable(logger, Object.assign(new Error('inner words'), { code }), socket.resume());
      if (sent) socket.once('data', fail);
      else fail();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    if (sent) socket.write(sent);
    socket.setTimeout(5_000, () => socket.destroy(new Error('no reply in time')));
    return text(socket);
  }

  it.each([
    ['HPE_HEADER_OVERFLOW', 431, 'Request Header Fields Too Large'],
    ['ERR_HTTP_REQUEST_TIMEOUT', 408, 'Request Timeout'],
    ['HPE_INVALID_METHOD', 400, 'Bad Request'],
    [undefined, 400, 'Bad Request'],
  ])('is answered with a problem, and hung up on: %s', async (code, status, title) => {
    const reply = await replyTo(code);
    const [head, body] = reply.split('\r\n\r\n') as [string, string];
    const problem = JSON.parse(body);
    expect(isId(problem.request_id)).toBe(true);
    expect(head.split('\r\n')).toEqual([
      `HTTP/1.1 ${status} ${title}`,
      'Content-Type: application/problem+json; charset=utf-8',
      `X-Request-ID: ${problem.request_id}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ]);
    expect(problem).toEqual({
      type: 'about:blank',
      title,
      status,
      detail: 'The request could not be read.',
      code: 'malformed_request',
      request_id: problem.request_id,
    });
    const line = { request_id: problem.request_id, route: 'none', status, ip: '127.0.0.1', msg: 'request' };
    expect(lines.map((each) => JSON.parse(each))).toEqual([{ level: 30, ...line }]);
  });

  it('is none where nothing was sent: the connection ends without a line', async () => {
    expect(await replyTo('ERR_HTTP_REQUEST_TIMEOUT', '')).toMatch(/^HTTP\/1.1 408 /);
    expect(lines).toEqual([]);
  });

  it('gets nothing where the client has gone', async () => {
    expect(await replyTo('ECONNRESET')).toBe('');
    expect(lines).toEqual([]);
  });
});
