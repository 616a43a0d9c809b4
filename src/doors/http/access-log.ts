import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { HttpRequest } from '../../infra/http/http-request';
import { withoutTokens } from '../../infra/logging/create-logger';
import { observeRequest } from '../../infra/metrics/observe-request';
import { clientAddress } from './client-address';

/** One line, and one measurement, a request. The route's pattern is logged, never the URL: that may hold a token. */
export function logRequests(fastify: FastifyInstance, logger: Logger): void {
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    observeRequest(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    logger.info(
      {
        request_id: loggedId(request),
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ip: clientAddress(request),
        user_id: (request as Partial<HttpRequest>).caller?.userId,
        api_key_id: (request as Partial<HttpRequest>).caller?.apiKeyId,
      },
      'request',
    );
    done();
  });
}

/** A client may call its request as it likes, also by a token; the ids that we make hold none. */
const loggedId = ({ id, headers }: FastifyRequest): string =>
  headers['x-request-id'] === undefined ? id : withoutTokens(id);
