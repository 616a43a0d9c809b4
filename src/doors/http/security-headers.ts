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

/** Headers for an API that is never framed and runs no script; the documentation pages get a policy that fits them. */
export function setSecurityHeaders(fastify: FastifyInstance, https: boolean): void {
  const headers = headersOf({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    // Over plain http the header means nothing, and localhost would remember it.
    strictTransportSecurity: https && { maxAge: 31_536_000, includeSubDomains: true },
    crossOriginResourcePolicy: { policy: 'cross-origin' },
    referrerPolicy: { policy: 'no-referrer' },
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(headers);
    if (/^\/(docs|redoc)(\/|$|\?)/.test(request.url))
      void reply.header('Content-Security-Policy', DOCS_POLICY);
    done();
  });
}

/** What helmet sets. It would work the same headers out for every request, so it is asked once. */
function headersOf(options: HelmetOptions): NodeJS.Dict<number | string | string[]> {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  helmet(options)(request, response, () => undefined);
  return response.getHeaders();
}
