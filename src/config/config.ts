import { z } from 'zod';
import { cores } from './cores';
import { environmentSchema } from './variables';
import { weaknesses } from './weaknesses';

/** The settings of a process: typed, complete, frozen. Keys are the names of the environment variables. */
export type Config = Readonly<z.output<typeof environmentSchema>>;

const LEAST_CONNECTIONS = 4;

/** Injection token of the `Config`. */
export const CONFIG = Symbol('config');

/** Settings that the service refuses to start with, all of them at once. */
export class ConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(['The configuration cannot be used:', ...problems.map((problem) => `  - ${problem}`)].join('\n'));
    this.name = 'ConfigError';
  }
}

/**
 * Reads and checks the environment. An empty variable counts as unset.
 * @throws ConfigError naming every variable that is wrong, or too weak for staging and production.
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const { values, problems } = parse(given);
  const config = complete(values);
  problems.push(...weaknesses(config));
  // Asked of what was given: in the complete configuration there is always one.
  if (config.ENVIRONMENT !== 'development' && !values.JWT_ISSUER)
    problems.push('JWT_ISSUER: must be set, or a change of PUBLIC_URL would change it');
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

/** Parses what can be parsed, so that one start names every problem: a wrong value is reported and its default used. */
function parse(given: Record<string, unknown>): {
  values: z.output<typeof environmentSchema>;
  problems: string[];
} {
  const parsed = environmentSchema.safeParse(given);
  if (parsed.success) return { values: parsed.data, problems: [] };
  const wrong = new Set(parsed.error.issues.map((issue) => String(issue.path[0])));
  const rest = Object.fromEntries(Object.entries(given).filter(([name]) => !wrong.has(name)));
  return {
    values: environmentSchema.parse(rest),
    problems: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
  };
}

/** Fills in what depends on other variables. */
function complete(values: z.output<typeof environmentSchema>): Config {
  const publicUrl = values.PUBLIC_URL || `http://localhost:${values.PORT}`;
  const plainDevelopment = values.ENVIRONMENT === 'development' && publicUrl.startsWith('http:');
  const threads = values.PASSWORD_HASH_CONCURRENCY || Math.max(1, Math.floor(cores / values.WEB_CONCURRENCY));
  return {
    ...values,
    ...connectionsOf(values),
    PUBLIC_URL: publicUrl,
    JWT_ISSUER: values.JWT_ISSUER || publicUrl,
    ...kiteAddresses(values),
    DOCS_ENABLED: values.DOCS_ENABLED ?? values.ENVIRONMENT !== 'production',
    PASSWORD_HASH_CONCURRENCY: threads,
    PASSWORD_HASH_QUEUE: values.PASSWORD_HASH_QUEUE || 16 * threads,
    // Browsers drop Secure cookies, and refuse the __Secure- prefix, on plain http.
    SESSION_COOKIE_SECURE: values.SESSION_COOKIE_SECURE && !plainDevelopment,
    SESSION_COOKIE_NAME: plainDevelopment
      ? values.SESSION_COOKIE_NAME.replace(/^__(Secure|Host)-/, '')
      : values.SESSION_COOKIE_NAME,
  };
}

/**
 * What PostgreSQL has to give is the instance's, so that more workers do not ask it for more. Below five a process would
 * get in its own way: jobs hold connections while they work with others.
 */
function connectionsOf({
  WEB_CONCURRENCY,
  DATABASE_POOL_SIZE,
  DATABASE_MAX_OVERFLOW,
}: z.output<typeof environmentSchema>): Pick<Config, 'DATABASE_POOL_SIZE' | 'DATABASE_MAX_OVERFLOW'> {
  const share = Math.max(LEAST_CONNECTIONS, Math.ceil(DATABASE_POOL_SIZE / WEB_CONCURRENCY));
  return {
    DATABASE_POOL_SIZE: Math.min(DATABASE_POOL_SIZE, share),
    DATABASE_MAX_OVERFLOW: Math.ceil(DATABASE_MAX_OVERFLOW / WEB_CONCURRENCY),
  };
}

/** In development an address that is left out is that of the sandbox, which is known once it runs. */
function kiteAddresses({
  ENVIRONMENT,
  KITE_API_BASE_URL,
  KITE_LOGIN_URL,
}: z.output<typeof environmentSchema>): Pick<Config, 'KITE_API_BASE_URL' | 'KITE_LOGIN_URL'> {
  if (ENVIRONMENT === 'development' && !KITE_API_BASE_URL) return { KITE_API_BASE_URL, KITE_LOGIN_URL };
  return {
    KITE_API_BASE_URL: KITE_API_BASE_URL || 'https://api.kite.trade',
    KITE_LOGIN_URL: KITE_LOGIN_URL || 'https://kite.zerodha.com/connect/login',
  };
}
