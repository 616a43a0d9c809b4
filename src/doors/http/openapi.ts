import { INestApplication } from '@nestjs/common';
import { DocumentBuilder, OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { Config } from '../../config/config';
import { COOKIE_EXTENSION } from '../../infra/http/operation.decorator';
import {
  headersOfEvery,
  internalErrorReply,
  sharedCookie,
  SharedCookie,
  sharedParts,
} from '../../infra/http/shared-parts';

const DESCRIPTION = `Identity provider of the trading platform.

Sign in with \`POST /v1/auth/login\`, press **Authorize** and paste the access token. Every error is an
\`application/problem+json\` document (RFC 9457) whose \`code\` is stable. Access tokens are RS256 JWTs (RFC 9068) that
anybody can check with \`GET /.well-known/jwks.json\`.

Every call takes \`X-Request-ID\` (1 to 128 letters, digits and \`_ . : / + = @ -\`; anything else is replaced by a new
id), and every reply carries it. Replies are \`Cache-Control: no-store\`, but for the public keys.

Browsers get the refresh token as the cookie \`__Secure-refresh_token\` (HttpOnly, Secure, SameSite=Strict,
Path=/v1/auth; Max-Age only when persistent; without prefix and Secure on plain-http development), and present it by
calling \`POST /v1/auth/refresh\` with credentials from an allowed origin. With \`token_delivery: "body"\` it is in the
reply, and no cookie is set.`;

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']> & { [COOKIE_EXTENSION]?: SharedCookie };

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

/** The OpenAPI document of all routes. */
export function openApiDocument(app: INestApplication, config: Config): OpenAPIObject {
  const base = new DocumentBuilder()
    .setTitle('User Service')
    .setVersion(config.VERSION)
    .setDescription(DESCRIPTION)
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .setExternalDoc('Events, on the Redis Stream and by webhook (AsyncAPI 3)', '/asyncapi.json')
    .addServer('/', 'This server')
    .addTag('Sign-in', 'Sign-up, sign-in, refresh, sign-out, verified addresses')
    .addTag('Passwords', 'Change and reset')
    .addTag('Sessions', 'Where you are signed in')
    .addTag('Second factor', 'TOTP, backup codes, proof of presence')
    .addTag('Google', 'Sign-in with Google')
    .addTag('Authorization', 'Checks, permissions, grants')
    .addTag('Users', 'Profiles')
    .addTag('Administration', 'Accounts, roles, suspension')
    .addTag('API keys', 'Service accounts')
    .addTag('Webhooks', 'Events as signed requests to those who subscribe')
    .addTag('Tokens', 'Public keys for whoever checks access tokens')
    .addTag('Health', 'Probes')
    .addApiKey(
      { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'Of a service account' },
      'api_key',
    )
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token' })
    .build();
  return withSharedParts(
    SwaggerModule.createDocument(app, base, {
      operationIdFactory: (controller, method) =>
        `${controller.replace(/Controller$/, '')}_${method.replace(/\W/g, '')}`,
    }),
  );
}

/** Gives every operation what no route can be without: the headers of its replies, and that we may be at fault. */
function withSharedParts(document: OpenAPIObject): OpenAPIObject {
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) path[method] &&= withShared(path[method]);
  }
  return { ...document, components: { ...document.components, ...sharedParts } };
}

function withShared({ [COOKIE_EXTENSION]: cookie, ...operation }: Operation): Operation {
  const responses: Operation['responses'] = { ...operation.responses, 500: internalErrorReply };
  for (const [status, reply] of Object.entries(responses)) {
    if (!reply || '$ref' in reply) continue;
    const { description, headers, ...rest } = reply;
    responses[status] = { description, headers: { ...headersOfEvery(Number(status)), ...headers }, ...rest };
  }
  return {
    ...operation,
    parameters: [...(operation.parameters ?? []), ...(cookie ? [sharedCookie(cookie)] : [])],
    responses,
  };
}

/** `/openapi.json` always; `/docs` where documentation is enabled. The document is made when first asked for. */
export function serveOpenApi(app: INestApplication, config: Config): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app, config), {
    ui: config.DOCS_ENABLED,
    raw: ['json'],
    jsonDocumentUrl: 'openapi.json',
    customSiteTitle: 'User Service API',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true, tryItOutEnabled: true },
  });
}
