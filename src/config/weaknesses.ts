import { readFileSync, statSync } from 'node:fs';
import { parsedUrl } from '../common/parsed-url';
import { parseCidr } from './cidr';
import type { Config } from './config';
import { invalidKafka, weakKafka } from './kafka-weaknesses';
import { invalidKite, weakKite } from './kite-weaknesses';
import { invalidKms, weakKms } from './kms-weaknesses';
import { readMasterKeyLines } from './master-key-lines';
import { invalidRedisUrl, redisNodes } from './redis-nodes';

/** The first line of a key file that the service made for itself; such a key protects nothing. */
export const DEVELOPMENT_KEY_MARK = '# development key';

/** Why this configuration must not be used; empty where it may. */
export function weaknesses(config: Config): string[] {
  const problems = [...invalidAnywhere(config)];
  if (config.ENVIRONMENT !== 'development') problems.push(...weakOutsideDevelopment(config));
  return problems;
}

function* invalidAnywhere(config: Config): Generator<string> {
  for (const cidr of config.TRUSTED_PROXIES) {
    if (!parseCidr(cidr)) yield `TRUSTED_PROXIES: ${cidr} is not an address or a CIDR`;
  }
  for (const cidr of config.WEBHOOK_PRIVATE_NETWORKS) {
    if (!parseCidr(cidr)) yield `WEBHOOK_PRIVATE_NETWORKS: ${cidr} is not an address or a CIDR`;
  }
  // A job holds one connection while it works with another.
  if (config.DATABASE_POOL_SIZE + config.DATABASE_MAX_OVERFLOW < 2)
    yield 'DATABASE_POOL_SIZE: must be at least 2, together with DATABASE_MAX_OVERFLOW';
  yield* invalidUrls(config);
  yield* invalidGoogle(config);
  yield* invalidKafka(config);
  yield* invalidKms(config);
  yield* invalidKite(config);
  if (
    !/^[\w!#$%&'*+.^`|~-]+$/.test(config.SESSION_COOKIE_NAME) ||
    config.SESSION_COOKIE_NAME.startsWith('__Host-')
  ) {
    yield 'SESSION_COOKIE_NAME: must be a cookie name without the prefix __Host-, which allows no path';
  }
  for (const origin of config.CORS_ALLOWED_ORIGINS) {
    if (parsedUrl(origin)?.origin !== origin) {
      yield `CORS_ALLOWED_ORIGINS: ${origin} is not an origin (scheme://host[:port], no path)`;
    }
  }
}

function* invalidUrls(config: Config): Generator<string> {
  const { protocol, username, search, hash } = new URL(config.PUBLIC_URL);
  if (!/^https?:$/.test(protocol) || username || search || hash) {
    yield 'PUBLIC_URL: must be http(s)://host[:port][/path] and nothing more';
  }
  if (config.DATABASE_URL && !/^postgres(ql)?:\/\//.test(config.DATABASE_URL)) {
    yield 'DATABASE_URL: must start with postgresql://';
  }
  if (config.REDIS_URL) yield* invalidRedisUrl(config.REDIS_URL);
}

function* invalidGoogle(config: Config): Generator<string> {
  const { protocol, username, search, hash } = new URL(config.GOOGLE_OAUTH_ISSUER);
  if (!/^https?:$/.test(protocol) || username || search || hash)
    yield 'GOOGLE_OAUTH_ISSUER: must be http(s)://host[:port][/path] and nothing more';
  for (const [name, uri] of redirectUris(config)) {
    // As Google compares them: letter by letter.
    if (parsedUrl(uri)?.href !== uri || /[?#]/.test(uri))
      yield `${name}: ${uri} is not a whole URL in its normal form, without query and fragment`;
  }
  if ((config.GOOGLE_OAUTH_CLIENT_ID === '') !== (config.GOOGLE_OAUTH_CLIENT_SECRET === ''))
    yield 'GOOGLE_OAUTH_CLIENT_SECRET: must be set together with GOOGLE_OAUTH_CLIENT_ID';
}

const redirectUris = (config: Config): [name: string, uri: string][] => [
  ['GOOGLE_OAUTH_REDIRECT_URI', config.GOOGLE_OAUTH_REDIRECT_URI],
  ...config.GOOGLE_OAUTH_REDIRECT_URIS.map((uri): [string, string] => ['GOOGLE_OAUTH_REDIRECT_URIS', uri]),
];

function* weakOutsideDevelopment(config: Config): Generator<string> {
  if (!config.DATABASE_URL) yield 'DATABASE_URL: must be set, the embedded PostgreSQL is for development';
  else if (hasDefaultPassword(config.DATABASE_URL)) yield 'DATABASE_URL: has no password or a well-known one';
  if (!config.REDIS_URL) yield 'REDIS_URL: must be set, the embedded Redis is for development';
  else if (redisNodes(config.REDIS_URL).some(({ password }) => password === '')) {
    yield 'REDIS_URL: has no password';
  }
  for (const cidr of config.TRUSTED_PROXIES) {
    if (parseCidr(cidr)?.[1] === 0) yield `TRUSTED_PROXIES: ${cidr} trusts everybody`;
  }
  for (const cidr of config.WEBHOOK_PRIVATE_NETWORKS) {
    if (parseCidr(cidr)?.[1] === 0) yield `WEBHOOK_PRIVATE_NETWORKS: ${cidr} lets webhooks reach everything`;
  }
  if (!config.SMTP_HOST) yield 'SMTP_HOST: must be set, the development mailbox is for development';
  if (!config.SMTP_TLS) yield 'SMTP_TLS: must be true';
  if (/@example\.com>?$/i.test(config.SMTP_FROM)) yield 'SMTP_FROM: must be an address of yours';
  if (!config.PUBLIC_URL.startsWith('https://')) yield 'PUBLIC_URL: must be set and start with https://';
  if (config.JWT_AUDIENCE.length === 0) yield 'JWT_AUDIENCE: must be set';
  if (config.PASSWORD_BCRYPT_COST < 12) yield 'PASSWORD_BCRYPT_COST: must be at least 12';
  if (config.PASSWORD_MIN_LENGTH < 12) yield 'PASSWORD_MIN_LENGTH: must be at least 12';
  if (!config.SESSION_COOKIE_SECURE) yield 'SESSION_COOKIE_SECURE: must be true';
  if (!config.SESSION_COOKIE_HTTPONLY) yield 'SESSION_COOKIE_HTTPONLY: must be true';
  if (config.SESSION_COOKIE_SAMESITE !== 'strict') yield 'SESSION_COOKIE_SAMESITE: must be strict';
  if (config.DEBUG) yield 'DEBUG: must be false';
  if (config.METRICS_TOKEN && config.METRICS_TOKEN.length < 24)
    yield 'METRICS_TOKEN: must have 24 characters or more';
  for (const origin of config.CORS_ALLOWED_ORIGINS) {
    if (!origin.startsWith('https://')) yield `CORS_ALLOWED_ORIGINS: ${origin} is not https`;
  }
  if (!config.GOOGLE_OAUTH_ISSUER.startsWith('https://'))
    yield 'GOOGLE_OAUTH_ISSUER: must start with https://';
  for (const [name, uri] of config.GOOGLE_OAUTH_CLIENT_ID ? redirectUris(config) : []) {
    if (uri.startsWith('http:')) yield `${name}: ${uri} is not https`;
  }
  yield* weakKafka(config);
  yield* weakKite(config);
  if (config.KMS_PROVIDER === 'local') yield* weakKeyFile(config.LOCAL_KMS_KEY_PATH);
  else yield* weakKms(config);
}

function* weakKeyFile(path: string): Generator<string> {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch {
    yield `LOCAL_KMS_KEY_PATH: ${path} cannot be read`;
    return;
  }
  if (content.startsWith(DEVELOPMENT_KEY_MARK)) yield `LOCAL_KMS_KEY_PATH: ${path} is a development key`;
  try {
    readMasterKeyLines(content);
  } catch (error) {
    yield `LOCAL_KMS_KEY_PATH: ${path} ${(error as Error).message}`;
  }
  if ((statSync(path).mode & 0o077) !== 0)
    yield `LOCAL_KMS_KEY_PATH: ${path} can be read by others, chmod 600 it`;
}

function hasDefaultPassword(databaseUrl: string): boolean {
  const { password, username } = new URL(databaseUrl);
  return ['', 'pass', 'password', 'postgres', 'changeme', 'secret', username].includes(password);
}
