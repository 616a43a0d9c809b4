import cookie from '@fastify/cookie';
import cors from '@fastify/cors';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import { AppModule } from './app.module';
import { malformedRequest } from './common/common.errors';
import { Config } from './config/config';
import { logRequests } from './doors/http/access-log';
import { serveAsyncApi } from './doors/http/asyncapi';
import { trustedProxies } from './doors/http/client-address';
import { closeIdleConnections } from './doors/http/close-idle-connections';
import { answerUnreadable, noteUnreadable } from './doors/http/unreadable-request';
import { readJsonBodies } from './doors/http/json-body';
import { noRouteSchemas } from './doors/http/no-route-schemas';
import { serveOpenApi } from './doors/http/openapi';
import { serveRedoc } from './doors/http/redoc';
import { sendProblem } from './doors/http/problem.filter';
import { refuseIncompleteRequests } from './doors/http/refuse-incomplete';
import { requestId } from './doors/http/request-id';
import { securityHeaders, setSecurityHeaders } from './doors/http/security-headers';
import { sendTogether } from './doors/http/send-together';
import { createLoggers, withoutTokens } from './infra/logging/create-logger';
import { NestLogger } from './infra/logging/nest-logger';

const BODY_LIMIT = 64 * 1024;

/**
 * Builds the service with its HTTP door, not yet listening. The stores must be up and migrated.
 * @throws Error when a store can't be reached or a signing key can't be unwrapped.
 */
export async function createApp(config: Config): Promise<NestFastifyApplication> {
  const { logger, accessLogger } = createLoggers(config);
  const headers = securityHeaders(config.PUBLIC_URL.startsWith('https:'));
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT,
    http: { requireHostHeader: false },
    trustProxy: trustedProxies(config.TRUSTED_PROXIES),
    genReqId: requestId,
    // A client that sends a byte a minute must not hold a connection.
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 65_000,
    // What comes on an open connection while the others close is answered, and told to be the last.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 200 },
    schemaController: noRouteSchemas,
    frameworkErrors: (cause: Error, request: FastifyRequest, reply: FastifyReply) => {
      // No hook has run, and none will.
      noteUnreadable(accessLogger, withoutTokens(request.id), 400, request.socket);
      sendProblem(reply.headers(headers), request.id, malformedRequest({ cause }));
    },
    clientErrorHandler: (error: Error, socket: Socket) => answerUnreadable(accessLogger, error, socket),
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config), adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: new NestLogger(logger),
  });
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.header('X-Request-ID', request.id);
    done();
  });
  setSecurityHeaders(fastify, headers);
  logRequests(fastify, accessLogger);
  sendTogether(fastify);
  closeIdleConnections(fastify);
  refuseIncompleteRequests(fastify);
  readJsonBodies(fastify);
  await app.register(cookie);
  // Not Nest's enableCors: that answers before our hooks, and what it refuses is no problem document.
  await app.register(cors, {
    origin: config.CORS_ALLOWED_ORIGINS,
    credentials: config.CORS_ALLOW_CREDENTIALS,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    // Not X-API-Key: a page in a browser must not hold the key of a service.
    allowedHeaders: [
      'Authorization',
      'Content-Type',
      'X-Request-ID',
      'X-Verification-Token',
      'Idempotency-Key',
    ],
    exposedHeaders: [
      'X-Request-ID',
      'Retry-After',
      'WWW-Authenticate',
      'Idempotency-Replayed',
      'Content-Disposition',
    ],
    maxAge: 600,
  });
  serveOpenApi(app, config);
  serveAsyncApi(fastify, config);
  if (config.DOCS_ENABLED) serveRedoc(fastify);
  return app;
}
