import Fastify, { FastifyInstance } from 'fastify';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { sendTogether } from './send-together';

describe('replies of one turn of the event loop', () => {
  let fastify: FastifyInstance;
  let order: string[];

  beforeEach(() => {
    order = [];
    fastify = Fastify();
    // As the service has one.
    fastify.setErrorHandler((_error, _request, reply) => reply.code(500).send({ code: 'internal_error' }));
    sendTogether(fastify);
    fastify.addHook('onResponse', (request, _reply, done) => {
      order.push(`sent ${request.url}`);
      done();
    });
    fastify.get('/good/:n', (request) => {
      order.push(`made ${request.url}`);
      return { ok: true };
    });
    fastify.get('/stream', (_request, reply) => reply.send(Readable.from(['one, ', 'two'])));
    fastify.get('/number', (_request, reply) => reply.serializer(() => 5 as never).send({ ok: true }));
    fastify.get('/header', (_request, reply) => reply.header('x-broken', 'a\nb').send({ ok: true }));
  });
  afterEach(() => fastify.close());

  const get = (...urls: string[]): Promise<number[]> =>
    Promise.all(urls.map(async (url) => (await fastify.inject(url)).statusCode));

  it('are sent when all of them are ready', async () => {
    expect(await get('/good/1', '/good/2')).toEqual([200, 200]);
    expect(order).toEqual(['made /good/1', 'made /good/2', 'sent /good/1', 'sent /good/2']);
  });

  it('do not wait for more than fifteen others', async () => {
    const urls = Array.from({ length: 17 }, (_, i) => `/good/${i}`);
    expect(new Set(await get(...urls))).toEqual(new Set([200]));
    const first = order.indexOf('sent /good/0');
    expect(order.slice(0, first)).toHaveLength(16);
    expect(order.slice(first)).toContain('made /good/16');
  });

  it("are sent although one of them can't be: that one becomes a 500, or at least ends", async () => {
    const url = await fastify.listen({ host: '127.0.0.1', port: 0 });
    const ask = async (path: string): Promise<number | string> =>
      fetch(url + path, { signal: AbortSignal.timeout(5_000) }).then(
        ({ status }) => status,
        ({ cause }: Error) => (cause as Error).message,
      );
    expect(await Promise.all([ask('/number'), ask('/header'), ask('/good/1')])).toEqual([
      500,
      'other side closed',
      200,
    ]);
    expect(await ask('/good/2')).toBe(200);
  });

  it('may be streams, or without a body', async () => {
    const url = await fastify.listen({ host: '127.0.0.1', port: 0 });
    const replies = await Promise.all([fetch(`${url}/stream`), fetch(`${url}/good/1`, { method: 'HEAD' })]);
    expect(await Promise.all(replies.map((reply) => reply.text()))).toEqual(['one, two', '']);
    expect(replies[1].headers.get('content-length')).toBe('11');
  });

  it('are made in vain for whoever has gone meanwhile, and nobody else notices', async () => {
    fastify.get('/left', async ({ raw }) => {
      await new Promise((resolve) => raw.socket.once('close', resolve));
      order.push('made /left');
      return { ok: true };
    });
    const url = await fastify.listen({ host: '127.0.0.1', port: 0 });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const asked = once(fastify.server, 'request');
    socket.write('GET /left HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await asked;
    socket.resetAndDestroy();
    while (!order.includes('made /left')) expect((await fetch(`${url}/good/1`)).status).toBe(200);
    expect((await fetch(`${url}/good/2`)).status).toBe(200);
  });
});
