import Fastify, { FastifyInstance } from 'fastify';
import { AppError, AppErrorDetails, ErrorKind } from '../../common/app-error';
import { sendProblem } from './problem.filter';

describe('sendProblem', () => {
  let fastify: FastifyInstance;
  beforeEach(() => (fastify = Fastify()));
  afterEach(() => fastify.close());

  const reply = async (kind: ErrorKind, details?: AppErrorDetails) => {
    fastify.get('/', (_request, reply) =>
      sendProblem(reply, 'request-1', new AppError('some_code', kind, 'In words.', details)),
    );
    return fastify.inject('/');
  };

  it.each<[ErrorKind, number, string, Record<string, string>]>([
    ['malformed', 400, 'Bad Request', {}],
    ['unauthenticated', 401, 'Unauthorized', { 'www-authenticate': 'Bearer' }],
    ['forbidden', 403, 'Forbidden', {}],
    ['not_found', 404, 'Not Found', {}],
    ['conflict', 409, 'Conflict', {}],
    ['too_large', 413, 'Payload Too Large', {}],
    ['unsupported', 415, 'Unsupported Media Type', {}],
    ['invalid', 422, 'Unprocessable Entity', {}],
    ['rate_limited', 429, 'Too Many Requests', { 'retry-after': '1' }],
    ['internal', 500, 'Internal Server Error', {}],
    ['unavailable', 503, 'Service Unavailable', { 'retry-after': '1' }],
  ])('answers what is %s with %i', async (kind, status, title, special) => {
    const { statusCode, headers, body } = await reply(kind);
    expect(statusCode).toBe(status);
    expect(JSON.parse(body)).toEqual({
      type: 'about:blank',
      title,
      status,
      detail: 'In words.',
      code: 'some_code',
      request_id: 'request-1',
    });
    const { connection, date, 'content-length': length, ...rest } = headers;
    expect([connection, typeof date, length]).toEqual([
      'keep-alive',
      'string',
      String(Buffer.byteLength(body)),
    ]);
    expect(rest).toEqual({
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
      'x-request-id': 'request-1',
      ...special,
    });
  });

  it('tells which fields are at fault, and what else is public', async () => {
    const fields = [{ field: 'email', message: 'email must be an e-mail address' }];
    const { body } = await reply('invalid', {
      fields,
      message: 'More exactly.',
      extra: { methods: ['totp'] },
    });
    expect(JSON.parse(body)).toMatchObject({ detail: 'More exactly.', errors: fields, methods: ['totp'] });
  });

  it('says when to come back where that is known', async () => {
    expect((await reply('rate_limited', { retryAfter: 840 })).headers['retry-after']).toBe('840');
  });

  it('shows nothing of the cause', async () => {
    const { body, headers } = await reply('internal', { cause: new Error('password of postgres') });
    expect(body + JSON.stringify(headers)).not.toContain('postgres');
    expect(body).not.toContain('stack');
  });
});
