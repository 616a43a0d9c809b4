import type { FastifyInstance } from 'fastify';
import * as secureJson from 'secure-json-parse';
import { AppError } from '../../common/app-error';
import { malformedRequest, validationFailed } from '../../common/common.errors';

const MAX_DEPTH = 32;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads JSON bodies strictly: valid UTF-8, no `__proto__` keys, and no deeper than any body of ours is, because code
 * that walks a body recursively would run out of stack. An empty body counts as none.
 */
export function readJsonBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, body.length === 0 ? undefined : parse(body));
    } catch (cause) {
      const error =
        cause instanceof AppError
          ? cause
          : malformedRequest({ message: 'The body is not valid JSON in UTF-8.', cause });
      done(error, undefined);
    }
  });
}

function parse(body: Buffer): unknown {
  const value: unknown = secureJson.parse(utf8.decode(body));
  if (deeperThan(value, MAX_DEPTH)) throw new Error(`deeper than ${MAX_DEPTH}`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw validationFailed({ fields: [{ field: 'body', message: 'body must be an object' }] });
  }
  return value;
}

function deeperThan(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return limit === 0 || Object.values(value).some((member) => deeperThan(member, limit - 1));
}
