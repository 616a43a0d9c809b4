import type { FastifyInstance } from 'fastify';
import helmet, { HelmetOptions } from 'helmet';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

/** Swagger UI and ReDoc bring inline styles and scripts, and ReDoc a worker of its own. */
const DOCS_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: https:",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
].join('; ');

export type Headers = NodeJS.Dict<number | string | string[]>;

/**
 * Headers for an API that is never framed and runs no script. Nothing is stored on the way unless its route says so: a
 * cache that knows of `Authorization` would still give one service's reply to whoever sends another `X-API-Key`, or none.
 */
export function securityHeaders(https: boolean): Headers {
  return {
    'cache-control': 'no-store',
    ...ofHelmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      },
      // Over plain http the header means nothing, and localhost would remember it.
      strictTransportSecurity: https && { maxAge: 31_536_000, includeSubDomains: true },
      crossOriginResourcePolicy: { policy: 'cross-origin' },
      referrerPolicy: { policy: 'no-referrer' },
    }),
  };
}

/** Sets them with every reply; the documentation pages get a policy that fits them. */
export function setSecurityHeaders(fastify: FastifyInstance, headers: Headers): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(headers);
    if (/^\/(docs|redoc)(\/|$|\?)/.test(request.url))
      void reply.header('Content-Security-Policy', DOCS_POLICY);
    done();
  });
}

/** What helmet sets. It would work the same headers out for every request, so it is asked once. */
function ofHelmet(options: HelmetOptions): Headers {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  helmet(options)(request, response, () => undefined);
  return response.getHeaders();
}
