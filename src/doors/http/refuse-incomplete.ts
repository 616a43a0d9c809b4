import type { FastifyInstance } from 'fastify';
import { malformedRequest } from '../../common/common.errors';
import { sendProblem } from './problem.filter';

/** Answers with a problem what Node or the CORS plugin would answer with a bare status line or a text. */
export function refuseIncompleteRequests(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const { host, origin, 'access-control-request-method': wanted } = request.headers;
    // RFC 9112 section 3.2. Needs `requireHostHeader: false`, or Node is first.
    const hasNoHost = host === undefined && request.raw.httpVersion === '1.1';
    const isNoPreflight = request.method === 'OPTIONS' && (!origin || !wanted);
    if (hasNoHost || isNoPreflight) sendProblem(reply, request.id, malformedRequest());
    else done();
  });
  // An expectation that is not 100-continue may be ignored (RFC 9110 section 10.1.1).
  fastify.server.on('checkExpectation', (request, response) =>
    fastify.server.emit('request', request, response),
  );
}
