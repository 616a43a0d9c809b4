import pino, { Logger } from 'pino';
import pretty from 'pino-pretty';
import { Config } from '../../config/config';
import { logOutput } from './log-output';

const SECRET_MEMBERS = [
  'password',
  'current_password',
  'new_password',
  'token',
  'access_token',
  'refresh_token',
  'mfa_token',
  'authorization',
  'cookie',
  'secret',
  'api_key',
  'api_secret',
  'verification_token',
  'backup_codes',
  'code_verifier',
  'state',
  'provisioning_uri',
  'qr_code',
];
// Errors have a code too, and it is worth reading.
const SECRET_PATHS = ['body.code', 'query.code'];

// A JWT, an API key, or the base64url of 48 bytes and more, as every token of ours that carries something is. The random
// ones (32 bytes, 43 characters: of a second factor, a state) look like a key's `kid`, which is worth reading, and are
// hidden by name alone. Escapes of JSON are matched first, and kept: the n of a \n before a token is no part of it.
const TOKEN = /(\\(?:u[\da-f]{4}|.))|eyJ[\w-]+\.[\w-]+\.[\w-]*|us_live_\w{38}|[\w-]{64,}/g;

/** Free text as the log may show it: without tokens. */
export const withoutTokens = (text: string): string =>
  text.replace(TOKEN, (_match, escape?: string) => escape ?? '[token]');

/** The process' loggers: one JSON object (or one text line) a record on standard output. */
export interface Loggers {
  logger: Logger;
  /**
   * For records of a known shape, one a request: nothing is searched for secrets, which took longer than making the
   * line. Whoever logs here puts in no secrets, and free text only `withoutTokens`.
   */
  accessLogger: Logger;
}

export function createLoggers(config: Config): Loggers {
  const plain: pino.LoggerOptions = {
    level: config.LOG_LEVEL,
    base: { service: config.APP_NAME, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  const careful: pino.LoggerOptions = {
    ...plain,
    redact: {
      paths: [...SECRET_MEMBERS.flatMap((name) => [name, `*.${name}`]), ...SECRET_PATHS],
      censor: '[redacted]',
    },
    // Nothing logs a token on purpose; this is for those inside messages of other people's errors.
    hooks: { streamWrite: withoutTokens },
  };
  if (config.LOG_FORMAT === 'json')
    return { logger: pino(careful, logOutput.now), accessLogger: pino(plain, logOutput.soon) };
  const text = pretty({ sync: true, ignore: 'service,pid', translateTime: 'SYS:HH:MM:ss.l' });
  return { logger: pino(careful, text), accessLogger: pino(plain, text) };
}
