import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenAPIObject } from '@nestjs/swagger';
import { missingReplies } from './support/reply-coverage';
import type { SeenReply } from './support/seen-replies';

const problem = (...codes: string[]) => ({
  description: '',
  content: {
    'application/problem+json': { examples: Object.fromEntries(codes.map((code) => [code, {}])) },
  },
});
const document = {
  paths: {
    '/v1/things': {
      get: { responses: { 200: {}, 401: problem('not_authenticated'), 503: problem('unavailable') } },
      post: {
        responses: {
          201: {},
          401: problem('not_authenticated'),
          409: problem('taken', 'full'),
          503: problem('unavailable'),
        },
      },
    },
    '/v1/things/{id}': { delete: { responses: { 204: {}, 404: problem('not_found') } } },
  },
} as unknown as OpenAPIObject;

const reply = (operation: string, status: number, code = ''): SeenReply => ({ operation, status, code });
const everything = [
  reply('GET /v1/things', 200),
  reply('GET /v1/things', 401, 'not_authenticated'),
  reply('POST /v1/things', 201),
  reply('POST /v1/things', 409, 'taken'),
  reply('POST /v1/things', 409, 'full'),
  reply('POST /v1/things', 503, 'unavailable'),
  reply('POST /v1/things', 500, 'internal_error'),
  reply('DELETE /v1/things/{id}', 204),
  reply('DELETE /v1/things/{id}', 404, 'not_found'),
];

describe('A run of all tests', () => {
  it('has seen every reply when each operation succeeded and raised each error of its own', () => {
    expect(missingReplies(document, everything)).toEqual([]);
  });

  it.each(everything.map((one) => [`${one.operation} ${one.status} ${one.code}`.trim(), one]))(
    'misses %s',
    (_name, one) => {
      const missing = missingReplies(
        document,
        everything.filter((other) => other !== one),
      );
      const isCommon = ['not_authenticated', 'unavailable', 'internal_error'].includes(one.code);
      expect(missing).toEqual([
        isCommon ? `any operation: ${one.code}` : `${one.operation} ${one.status} ${one.code}`.trim(),
      ]);
    },
  );

  it('misses everything where nothing was asked', () => {
    const committed = JSON.parse(
      readFileSync(join(__dirname, '../docs/openapi.json'), 'utf8'),
    ) as OpenAPIObject;
    const missing = missingReplies(committed, []);
    expect(missing).toEqual(
      expect.arrayContaining([
        'POST /v1/auth/login 200',
        'POST /v1/auth/login 403 account_suspended',
        'GET /v1/users/me 200',
        'any operation: payload_too_large',
      ]),
    );
    expect(missing.filter((line) => line.includes('payload_too_large'))).toHaveLength(1);
  });

  it('takes a code of one operation for no other, and a status for no other', () => {
    const elsewhere = everything.map((one) =>
      one.code === 'taken' ? reply('GET /v1/things', 409, 'taken') : one,
    );
    expect(missingReplies(document, elsewhere)).toEqual(['POST /v1/things 409 taken']);
  });
});
