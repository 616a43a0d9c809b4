/**
 * Every environment variable, once: its type, default and meaning. The typed `Config`, `.env.example` and the
 * README's table all come from here. Names and defaults are the seed's; where one differs, docs/decisions says why.
 */
import { z } from 'zod';
import { parsedUrl } from '../common/parsed-url';
import { cores } from './cores';
import { redisNodes } from './redis-nodes';

const text = (fallback: string): z.ZodDefault<z.ZodString> => z.string().default(fallback);

const integer = (
  fallback: number,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {},
): z.ZodDefault<z.ZodCoercedNumber> => z.coerce.number().int().min(min).max(max).default(fallback);

const flag = (fallback: boolean): z.ZodType<boolean> =>
  z
    .enum(['true', 'false', '1', '0'], { error: 'must be true or false' })
    .default(fallback ? 'true' : 'false')
    .transform((value) => value === 'true' || value === '1');

const list = (fallback: string): z.ZodType<string[]> =>
  z
    .string()
    .default(fallback)
    .transform((value) =>
      value
        .split(',')
        .map((item) => item.trim())
        .filter(Boolean),
    );

/** One, or several separated by commas: nodes of one cluster. */
const redisUrls = z
  .string()
  .default('')
  .refine((value) => value === '' || areUrls(value), 'must be a URL')
  .transform((value) => value.replace(/\/+$/, ''));

function areUrls(text: string): boolean {
  try {
    return redisNodes(text).length > 0;
  } catch {
    return false;
  }
}

const url = (fallback: string): z.ZodType<string> =>
  z
    .string()
    .default(fallback)
    .refine((value) => value === '' || parsedUrl(value) !== undefined, 'must be a URL')
    .transform((value) => value.replace(/\/+$/, ''));

export interface Variable {
  schema: z.ZodType;
  /** The heading it stands under in .env.example and the README. */
  group: string;
  help: string;
  /** What .env.example shows; an empty text where there is no fixed default. */
  example: string;
}

type Declaration<S extends z.ZodType> = readonly [schema: S, help: string, example?: string];

function group<T extends Record<string, Declaration<z.ZodType>>>(name: string, declarations: T) {
  const shape = {} as { [K in keyof T]: T[K][0] };
  const variables = {} as Record<keyof T, Variable>;
  for (const key of Object.keys(declarations) as (keyof T)[]) {
    const [schema, help, example] = declarations[key]!;
    shape[key] = schema;
    variables[key] = { schema, help, example: example ?? defaultText(schema), group: name };
  }
  return { shape, variables };
}

function defaultText(schema: z.ZodType): string {
  let inner: unknown = schema;
  while (inner instanceof z.ZodPipe) inner = inner.in;
  return inner instanceof z.ZodDefault ? String(inner.def.defaultValue) : '';
}

const application = group('Application', {
  APP_NAME: [text('user_service'), 'Name in logs, events (`source`) and metrics.'],
  VERSION: [text('0.1.0'), 'Version shown by /health and the OpenAPI document.'],
  ENVIRONMENT: [
    z.enum(['development', 'staging', 'production']).default('development'),
    'development, staging or production. Staging and production refuse development keys, embedded stores and weak settings.',
  ],
  DEBUG: [flag(false), 'Adds the cause of errors to the log. Never to replies.'],
  HOST: [text('0.0.0.0'), 'Address the HTTP door listens on.'],
  PORT: [integer(8001, { max: 65535 }), 'Port the HTTP door listens on.'],
  PUBLIC_URL: [
    url(''),
    'URL that people and gateways reach the service by; links in mail are built from it. Default: http://localhost:$PORT.',
  ],
  TRUSTED_PROXIES: [
    list(''),
    'CIDRs of reverse proxies whose X-Forwarded-For is believed. The client is the rightmost hop that is not one of them.',
  ],
  WEB_CONCURRENCY: [
    integer(Math.min(cores, 256), { min: 1, max: 256 }),
    'Processes that share the port. Default: cores. 1: a single process, which cannot restart without a gap.',
    '',
  ],
  WORKER_HANG_SECONDS: [
    integer(30, { max: 3600 }),
    'Seconds without any answer after which one of several processes is ended and replaced. 0: never (a debugger stops one too).',
  ],
  SHUTDOWN_DRAIN_SECONDS: [
    integer(0, { max: 300 }),
    'Seconds between readiness turning red and the end of listening, so that load balancers notice.',
  ],
  DATA_DIR: [text('.data'), 'Where the embedded PostgreSQL and Redis keep their data (development only).'],
  DOCS_ENABLED: [
    z
      .enum(['', 'true', 'false', '1', '0'])
      .default('')
      .transform((v) => (v === '' ? undefined : v === 'true' || v === '1')),
    'Serve /docs and /redoc. Default: everywhere but in production.',
  ],
  METRICS_TOKEN: [
    text(''),
    'Bearer token that /metrics asks for. Without one /metrics is open in development and closed elsewhere.',
  ],
});

const database = group('Database', {
  DATABASE_URL: [url(''), 'PostgreSQL. Empty in development: an embedded server is started.'],
  DATABASE_POOL_SIZE: [
    integer(20, { min: 1, max: 1000 }),
    'Connections an instance keeps, shared out among its processes (each has four at least).',
  ],
  DATABASE_MAX_OVERFLOW: [
    integer(10, { max: 1000 }),
    'Connections an instance may open above that under load, shared out among its processes.',
  ],
  DATABASE_POOL_TIMEOUT: [
    integer(1, { min: 1, max: 60 }),
    'Seconds to wait for a free connection before answering 503.',
  ],
  DATABASE_QUERY_TIMEOUT_MS: [
    integer(1000, { min: 50, max: 60_000 }),
    'Milliseconds that one statement of a request may take.',
  ],
});

const redis = group('Redis', {
  REDIS_URL: [
    redisUrls,
    'Redis. Nodes of a Redis Cluster are separated by commas. Empty in development: an embedded server is started.',
  ],
  REDIS_POOL_SIZE: [
    integer(50, { min: 1 }),
    'Accepted for compatibility, without effect: one pipelined connection a process serves all.',
  ],
  REDIS_COMMAND_TIMEOUT_MS: [
    integer(1000, { min: 50, max: 60_000 }),
    'Milliseconds a command may take before the request is answered 503.',
  ],
  REDIS_SESSION_TTL_DAYS: [integer(90, { min: 1, max: 3650 }), 'Absolute life of a persistent session.'],
  REDIS_SESSION_INACTIVITY_DAYS: [
    integer(14, { min: 1, max: 3650 }),
    'A session that was not refreshed for so long is over.',
  ],
  EVENT_STREAM_MAXLEN: [
    integer(1_000_000, { min: 1000 }),
    'About how many events the Redis Stream keeps. PostgreSQL keeps all.',
  ],
});

const events = group('Event relay', {
  EVENT_RELAY: [
    z.enum(['redis', 'kafka']).default('redis'),
    'Where events are published: `redis`, a Stream in the Redis of REDIS_URL, or `kafka`, a topic.',
  ],
  KAFKA_BROKERS: [list(''), 'For `kafka`: host:port of some brokers, comma-separated.'],
  KAFKA_TOPIC: [text('user_service.events'), 'The topic. It has to be there; the service makes none.'],
  KAFKA_CLIENT_ID: [text('user_service'), 'Name of this service in the logs and quotas of the brokers.'],
  KAFKA_SSL: [flag(false), 'Reach the brokers over TLS.'],
  KAFKA_SASL_MECHANISM: [
    z.enum(['', 'plain', 'scram-sha-256', 'scram-sha-512']).default(''),
    'plain, scram-sha-256 or scram-sha-512. Empty: no authentication.',
  ],
  KAFKA_SASL_USERNAME: [text(''), 'User at the brokers.'],
  KAFKA_SASL_PASSWORD: [text(''), 'Password at the brokers.'],
  KAFKA_TIMEOUT_MS: [
    integer(3000, { min: 100, max: 30_000 }),
    'Milliseconds that a broker may take for an answer; a batch of events may take twice as long.',
  ],
});

const jwt = group('JWT', {
  JWT_SIGNING_KEY_ID: [
    text('key-001'),
    'Accepted for compatibility, without effect: a key id is the RFC 7638 thumbprint of its key.',
  ],
  JWT_ACCESS_TOKEN_TTL_MINUTES: [integer(15, { min: 1, max: 60 }), 'Life of an access token.'],
  JWT_REFRESH_TOKEN_TTL_DAYS: [
    integer(90, { min: 1, max: 3650 }),
    'Life of a persistent refresh token; the shorter of this and REDIS_SESSION_TTL_DAYS counts.',
  ],
  JWT_ALGORITHM: [z.literal('RS256').default('RS256'), 'The only algorithm.'],
  JWT_ISSUER: [text(''), 'Claim `iss`. Default: PUBLIC_URL. Staging and production want it named.'],
  JWT_AUDIENCE: [list('trading_platform'), 'Claim `aud`, comma-separated.'],
  JWT_KEY_BITS: [
    z.enum(['2048', '3072', '4096']).default('2048').transform(Number),
    'Size of new RSA signing keys.',
  ],
  JWT_KEY_ROTATION_DAYS: [
    integer(90, { max: 3650 }),
    'Age at which the signing key is replaced by itself. 0: only by `keys rotate`.',
  ],
  REFRESH_GRACE_SECONDS: [
    integer(10, { max: 60 }),
    'For so long after a rotation the previous refresh token still gets the same successor.',
  ],
});

const kms = group('KMS and encryption', {
  KMS_PROVIDER: [
    z.enum(['local', 'aws', 'vault']).default('local'),
    'What wraps keys at rest: a file, AWS KMS, or the transit engine of HashiCorp Vault.',
  ],
  KMS_MASTER_KEY_ID: [
    text('keys/master.key'),
    'The master key: for `aws` its id, ARN or alias, for `vault` its name in the transit engine. `local` reads LOCAL_KMS_KEY_PATH.',
  ],
  KMS_TIMEOUT_MS: [
    integer(1500, { min: 100, max: 60_000 }),
    'Milliseconds that AWS KMS or Vault may take before the request is answered 503.',
  ],
  LOCAL_KMS_KEY_PATH: [
    text('keys/master.key'),
    'File with the master key, 32 bytes in hexadecimal. Made on the first start in development.',
  ],
  AWS_REGION: [text(''), 'Region of AWS KMS. Credentials come the way they always do in the AWS SDK.'],
  AWS_ENDPOINT_URL_KMS: [url(''), 'Another address of AWS KMS than that of the region.'],
  VAULT_ADDR: [url(''), 'Address of Vault.'],
  VAULT_TOKEN: [text(''), 'Token for Vault.'],
  VAULT_TOKEN_FILE: [text(''), 'File with the token, read again when it changes: the sink of a Vault Agent.'],
  VAULT_NAMESPACE: [text(''), 'Namespace in Vault.'],
  VAULT_TRANSIT_MOUNT: [text('transit'), 'Where the transit engine is mounted.'],
});

const google = group('Google sign-in', {
  GOOGLE_OAUTH_CLIENT_ID: [text(''), 'Client id. Empty: no Google sign-in.'],
  GOOGLE_OAUTH_CLIENT_SECRET: [text(''), 'Client secret.'],
  GOOGLE_OAUTH_REDIRECT_URI: [
    text('http://localhost:8001/v1/auth/oauth/google/callback'),
    'Redirect URI registered at Google, used where a caller names none.',
  ],
  GOOGLE_OAUTH_REDIRECT_URIS: [
    list(''),
    'More redirect URIs registered at Google that callers may name, comma-separated.',
  ],
  GOOGLE_OAUTH_ISSUER: [
    url('https://accounts.google.com'),
    'The OpenID provider. Another one than Google is for tests.',
  ],
});

const mail = group('E-mail', {
  SMTP_HOST: [text(''), 'Mail server. Empty in development: mail is kept and shown at /dev/mailbox.'],
  SMTP_PORT: [integer(587, { min: 1, max: 65535 }), 'Port of the mail server.'],
  SMTP_USERNAME: [text(''), 'User at the mail server; empty: no authentication.'],
  SMTP_PASSWORD: [text(''), 'Password at the mail server.'],
  SMTP_FROM: [text('noreply@example.com'), 'Sender.'],
  SMTP_TLS: [flag(true), 'Require TLS: implicit on port 465, STARTTLS elsewhere.'],
});

const limits = group('Rate limits', {
  RATELIMIT_LOGIN_ATTEMPTS: [
    integer(5, { min: 1 }),
    'Failed sign-ins per account and address in the window.',
  ],
  RATELIMIT_LOGIN_WINDOW_MINUTES: [integer(15, { min: 1 }), 'The window.'],
  RATELIMIT_REGISTER_ATTEMPTS: [integer(5, { min: 1 }), 'Sign-ups per address in the window.'],
  RATELIMIT_REGISTER_WINDOW_HOURS: [integer(1, { min: 1 }), 'The window.'],
  RATELIMIT_REFRESH_ATTEMPTS: [integer(10, { min: 1 }), 'Refreshes per session in the window.'],
  RATELIMIT_REFRESH_WINDOW_MINUTES: [integer(1, { min: 1 }), 'The window.'],
  RATELIMIT_PASSWORD_RESET_ATTEMPTS: [
    integer(5, { min: 1 }),
    'Reset or verification mails per e-mail address, and per client address, in the window.',
  ],
  RATELIMIT_PASSWORD_RESET_WINDOW_HOURS: [integer(1, { min: 1 }), 'The window.'],
  RATELIMIT_CREDENTIALS_READS: [
    integer(600, { min: 1 }),
    'Broker credentials that a service account may read in the window, by whichever key.',
  ],
  RATELIMIT_CREDENTIALS_WINDOW_MINUTES: [integer(1, { min: 1 }), 'The window.'],
  RATELIMIT_BROKER_CALLS: [
    integer(30, { min: 1 }),
    'Links, logins, rotations and verifications of a user in the window.',
  ],
  RATELIMIT_BROKER_WINDOW_MINUTES: [integer(1, { min: 1 }), 'The window.'],
  RATELIMIT_AUDIT_EXPORTS: [
    integer(10, { min: 1 }),
    'Exports of their audit events that a user may ask for in the window.',
  ],
  RATELIMIT_AUDIT_EXPORTS_WINDOW_HOURS: [integer(1, { min: 1 }), 'The window.'],
});

const audit = group('Audit and webhooks', {
  AUDIT_RETENTION_MONTHS: [
    integer(0),
    'Whole months that events are kept; older ones are dropped, their seals stay. 0: for ever.',
  ],
  WEBHOOK_TIMEOUT_SECONDS: [
    integer(10, { min: 1, max: 60 }),
    'A receiver that has not answered by then has not got it.',
  ],
  WEBHOOK_RETRY_HOURS: [integer(24, { min: 1 }), 'What a receiver has not taken by then is a dead letter.'],
  WEBHOOK_PRIVATE_NETWORKS: [
    list(''),
    'Networks (CIDR, comma-separated) that webhooks may reach over http or https although they are not public. Empty: none.',
  ],
});

const security = group('Security', {
  PASSWORD_MIN_LENGTH: [integer(12, { min: 8, max: 72 }), 'Characters a password must have.'],
  PASSWORD_BCRYPT_COST: [
    integer(12, { min: 4, max: 16 }),
    'bcrypt cost of new hashes. Older ones are replaced at the next sign-in.',
  ],
  PASSWORD_HASH_CONCURRENCY: [
    integer(0, { max: 256 }),
    'Hashing threads of a process. 0: cores divided by WEB_CONCURRENCY.',
  ],
  PASSWORD_HASH_QUEUE: [
    integer(0, { max: 100_000 }),
    'Hashes that may wait for a thread; beyond that 503. 0: 16 for each thread.',
  ],
  PASSWORD_RESET_TOKEN_TTL_MINUTES: [integer(30, { min: 1, max: 1440 }), 'Life of a reset link.'],
  EMAIL_VERIFICATION_TOKEN_TTL_HOURS: [integer(24, { min: 1, max: 720 }), 'Life of a verification link.'],
  MFA_TOTP_WINDOW_SECONDS: [integer(30, { min: 30, max: 30 }), 'TOTP time step.'],
  SESSION_COOKIE_NAME: [
    text('__Secure-refresh_token'),
    'Name of the refresh cookie. On plain-http development it loses its prefix.',
  ],
  SESSION_COOKIE_SECURE: [flag(true), 'Cookie attribute Secure. Off by itself on plain-http development.'],
  SESSION_COOKIE_HTTPONLY: [flag(true), 'Cookie attribute HttpOnly.'],
  SESSION_COOKIE_SAMESITE: [
    z.enum(['strict', 'lax', 'none']).default('strict'),
    'Cookie attribute SameSite.',
  ],
  GEOIP_DATABASE_PATH: [
    text(''),
    'A country database in MaxMind format. Default: the one that comes with the service.',
  ],
});

const cors = group('CORS', {
  CORS_ALLOWED_ORIGINS: [
    list('http://localhost:3000,http://localhost:5173'),
    'Origins of browser applications.',
  ],
  CORS_ALLOW_CREDENTIALS: [flag(true), 'Let them send the refresh cookie.'],
});

const logging = group('Logging', {
  LOG_LEVEL: [
    z
      .string()
      .default('INFO')
      .transform((v) => v.toLowerCase())
      .pipe(z.enum(['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'silent']))
      .transform((v) => (v === 'warning' ? ('warn' as const) : v)),
    'TRACE, DEBUG, INFO, WARN, ERROR, FATAL or SILENT.',
  ],
  LOG_FORMAT: [z.enum(['json', 'text']).default('json'), 'json (one object a line) or text.'],
  SENTRY_DSN: [text(''), 'Accepted for compatibility, without effect yet.'],
});

const features = group('Features', {
  FEATURE_GOOGLE_OAUTH: [flag(true), 'Google sign-in, where it is configured.'],
  FEATURE_MFA_TOTP: [flag(true), 'Second factor.'],
  FEATURE_SHARED_ACCOUNTS: [flag(true), 'Delegated access to trading accounts.'],
  FEATURE_REQUIRE_VERIFIED_EMAIL: [flag(false), 'Refuse sign-in until the e-mail address is verified.'],
});

const others = group('Other services', {
  KITE_API_BASE_URL: [
    url(''),
    'Kite Connect. Default: https://api.kite.trade; in development a sandbox is started.',
  ],
  KITE_LOGIN_URL: [
    url(''),
    'Where people log in. Default: https://kite.zerodha.com/connect/login; with the sandbox its own page.',
  ],
  KITE_API_TIMEOUT_SECONDS: [
    integer(10, { min: 1, max: 60 }),
    'Deadline of a call to Kite, its retries included.',
  ],
  KITE_API_MAX_RETRIES: [integer(3, { max: 10 }), 'Retries of idempotent reads.'],
  TICKER_SERVICE_URL: [url('http://ticker_service:8002'), 'Accepted for compatibility, not called.'],
  ALERT_SERVICE_URL: [url('http://alert_service:8003'), 'Accepted for compatibility, not called.'],
  BACKEND_SERVICE_URL: [url('http://backend:8000'), 'Accepted for compatibility, not called.'],
});

export const environmentSchema = z.object({
  ...application.shape,
  ...database.shape,
  ...redis.shape,
  ...events.shape,
  ...jwt.shape,
  ...kms.shape,
  ...google.shape,
  ...mail.shape,
  ...limits.shape,
  ...audit.shape,
  ...security.shape,
  ...cors.shape,
  ...logging.shape,
  ...features.shape,
  ...others.shape,
});

export const variables: Record<string, Variable> = {
  ...application.variables,
  ...database.variables,
  ...redis.variables,
  ...events.variables,
  ...jwt.variables,
  ...kms.variables,
  ...google.variables,
  ...mail.variables,
  ...limits.variables,
  ...audit.variables,
  ...security.variables,
  ...cors.variables,
  ...logging.variables,
  ...features.variables,
  ...others.variables,
};
