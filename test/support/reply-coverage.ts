import type { OpenAPIObject } from '@nestjs/swagger';
import type { SeenReply } from './seen-replies';

/** What every operation answers for the same reason, in code of the door: to be seen at least once somewhere. */
const EVERYWHERE = new Set([
  'unavailable',
  'internal_error',
  'malformed_request',
  'payload_too_large',
  'unsupported_media_type',
  'not_authenticated',
  'invalid_access_token',
  'invalid_api_key',
  'session_required',
  'hashing_busy',
]);

interface Documented {
  responses: Record<string, { content?: Record<string, { examples?: Record<string, unknown> }> }>;
}

/** Which replies the document promises and no test got: `POST /v1/auth/login 403 account_suspended`, a line each. */
export function missingReplies(document: OpenAPIObject, seen: readonly SeenReply[]): string[] {
  const got = new Set(seen.map(lineOf));
  const codes = new Set(seen.map(({ code }) => code));
  const promised = promisedReplies(document);
  const missing = promised.filter((reply) => !EVERYWHERE.has(reply.code) && !got.has(lineOf(reply)));
  const nowhere = [...EVERYWHERE].filter((code) => !codes.has(code) && isPromised(promised, code));
  return [...missing.map(lineOf), ...nowhere.map((code) => `any operation: ${code}`)];
}

/** Success and every code of every operation; statuses without a code (readiness) are not told apart here. */
function promisedReplies(document: OpenAPIObject): SeenReply[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Documented>).flatMap(([method, { responses }]) =>
      Object.entries(responses).flatMap(([status, { content }]) => {
        const operation = `${method.toUpperCase()} ${path}`;
        const codes = Object.keys(content?.['application/problem+json']?.examples ?? {});
        if (Number(status) < 300) codes.push('');
        return codes.map((code) => ({ operation, status: Number(status), code }));
      }),
    ),
  );
}

/** `internal_error` is promised apart from the list of an operation, for none is meant to answer it. */
const isPromised = (promised: SeenReply[], code: string): boolean =>
  code === 'internal_error' || promised.some((reply) => reply.code === code);

const lineOf = ({ operation, status, code }: SeenReply): string => `${operation} ${status} ${code}`.trim();
