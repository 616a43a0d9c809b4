import { ArgumentsHost, Catch, ExceptionFilter, HttpException, Inject, Logger } from '@nestjs/common';
import { STATUS_CODES } from 'node:http';
import { AppError } from '../../common/app-error';
import {
  internalError,
  malformedRequest,
  notFound,
  payloadTooLarge,
  unavailable,
  unsupportedMediaType,
} from '../../common/common.errors';
import { CONFIG, Config } from '../../config/config';
import type { HttpReply, HttpRequest } from '../../infra/http/http-request';
import { Problem, statusOf } from '../../infra/http/problem';
import { isUnavailable } from '../../infra/unavailable';

/** Turns whatever was thrown, the framework's own errors included, into one problem document (RFC 9457). */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  constructor(@Inject(CONFIG) private readonly config: Config) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<HttpRequest>();
    const error = toAppError(thrown);
    this.log(request.id, error);
    sendProblem(http.getResponse<HttpReply>(), request.id, error);
  }

  private log(requestId: string, error: AppError): void {
    const status = statusOf[error.kind];
    const cause = status >= 500 ? error.cause : undefined;
    if (status >= 500) {
      this.logger.error({ request_id: requestId, code: error.code, cause: describe(cause) }, error.message);
    } else if (this.config.DEBUG && error.cause) {
      this.logger.debug({ request_id: requestId, code: error.code, cause: describe(error.cause) });
    }
  }
}

/** A cause as the log may show it: no statement parameters, which may hold personal data. */
function describe(cause: unknown): unknown {
  if (!(cause instanceof Error)) return cause === undefined ? undefined : typeof cause;
  const code = 'code' in cause && typeof cause.code === 'string' ? { code: cause.code } : {};
  return { name: cause.name, message: cause.message, stack: cause.stack, ...code };
}

export function sendProblem(reply: HttpReply, requestId: string, error: AppError): void {
  const status = statusOf[error.kind];
  const problem: Problem = {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: error.message,
    code: error.code,
    request_id: requestId,
    ...(error.fields && { errors: error.fields }),
    ...error.extra,
  };
  if (status === 401) void reply.header('WWW-Authenticate', 'Bearer');
  if (status === 429 || status === 503) void reply.header('Retry-After', String(error.retryAfter ?? 1));
  void reply
    .status(status)
    // Set again for what the framework refuses before any hook has run.
    .header('X-Request-ID', requestId)
    .header('Cache-Control', 'no-store')
    .type('application/problem+json; charset=utf-8')
    .send(JSON.stringify(problem));
}

function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  if (isUnavailable(thrown)) return unavailable({ cause: thrown, retryAfter: 1 });
  return fromFramework(statusOfFramework(thrown), thrown);
}

function statusOfFramework(thrown: unknown): number {
  if (thrown instanceof HttpException) return thrown.getStatus();
  // Fastify's errors, for example FST_ERR_CTP_BODY_TOO_LARGE.
  if (thrown instanceof Error && 'statusCode' in thrown && typeof thrown.statusCode === 'number') {
    return thrown.statusCode;
  }
  return 500;
}

function fromFramework(status: number, cause: unknown): AppError {
  if (status === 413) return payloadTooLarge({ cause });
  if (status === 415) return unsupportedMediaType({ cause });
  if (status === 404 || status === 405) return notFound({ cause });
  if (status === 503) return unavailable({ cause });
  if (status >= 400 && status < 500) return malformedRequest({ cause });
  return internalError({ cause });
}
