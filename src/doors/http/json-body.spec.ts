import Fastify, { FastifyInstance } from 'fastify';
import { AppError } from '../../common/app-error';
import { readJsonBodies } from './json-body';

describe('A JSON body', () => {
  let fastify: FastifyInstance;
  beforeAll(() => {
    fastify = Fastify();
    readJsonBodies(fastify);
    fastify.setErrorHandler((error, _request, reply) =>
      reply.status(400).send({ refused: error instanceof AppError ? error.code : String(error) }),
    );
    fastify.post('/', ({ body }) => ({ body, isMissing: body === undefined }));
  });
  afterAll(() => fastify.close());

  const read = async (payload: string | Buffer, type = 'application/json'): Promise<unknown> =>
    (await fastify.inject({ method: 'POST', url: '/', headers: { 'content-type': type }, payload })).json();
  const nested = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);

  it('is read as it is, whatever its strings hold', async () => {
    const body = { text: '__proto__ "constructor" {[', list: [1, -0.5, null, true], 'Ā🌅': {} };
    expect(await read(JSON.stringify(body))).toEqual({ body, isMissing: false });
    expect(await read('{"a":1}', 'application/json; charset=utf-8')).toEqual({
      body: { a: 1 },
      isMissing: false,
    });
  });

  it('is none where it is empty', async () => {
    expect(await read('')).toEqual({ isMissing: true });
  });

  it('may have 32 levels and no more, and be as wide as it likes', async () => {
    expect(await read(nested(32))).toMatchObject({ isMissing: false });
    expect(await read(nested(33))).toEqual({ refused: 'malformed_request' });
    expect(await read(JSON.stringify({ list: Array(20_000).fill([]) }))).toMatchObject({ isMissing: false });
  });

  it('may have `constructor` as a key, unless that sets a prototype', async () => {
    expect(await read('{"constructor":"Tata"}')).toEqual({
      body: { constructor: 'Tata' },
      isMissing: false,
    });
    expect(await read('{"constructor":{"prototype":{}}}')).toEqual({ refused: 'malformed_request' });
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });
});
