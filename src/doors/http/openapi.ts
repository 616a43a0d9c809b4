import { INestApplication } from '@nestjs/common';
import { DocumentBuilder, OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { Config } from '../../config/config';

const DESCRIPTION = `Identity provider of the trading platform.

Sign in with \`POST /v1/auth/login\`, press **Authorize** and paste the access token. Every error is an
\`application/problem+json\` document (RFC 9457) whose \`code\` is stable. Access tokens are RS256 JWTs (RFC 9068) that
anybody can check with \`GET /.well-known/jwks.json\`.`;

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
  return SwaggerModule.createDocument(app, base, {
    operationIdFactory: (controller, method) =>
      `${controller.replace(/Controller$/, '')}_${method.replace(/\W/g, '')}`,
  });
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
