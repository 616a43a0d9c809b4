import { styleText } from 'node:util';
import type { Config } from '../config/config';
import { usesKiteSandbox } from '../config/kite-sandbox';
import { say } from './progress';
import type { Administrator } from './serve';

/** Where everything is, and three calls to begin with. */
export function printSummary(config: Config, administrator: Administrator): void {
  const url = config.PUBLIC_URL;
  const { email, password } = administrator;
  const credentials = { email, password: password ?? 'YOUR-PASSWORD', token_delivery: 'body' };
  say(`
  ${styleText('bold', 'User Service')} is ready after ${(performance.now() / 1000).toFixed(1)} s

  API          ${url}/docs
  Mailbox      ${config.SMTP_HOST ? `mail goes to ${config.SMTP_HOST}` : `${url}/dev/mailbox`}
  Kite         ${usesKiteSandbox(config) ? `${url}/dev/kite, on a sandbox at ${config.KITE_API_BASE_URL}` : config.KITE_API_BASE_URL}
  Sign in as   ${email}
  Password     ${password ?? 'the one you chose'}${password ? '  (made for the first sign-in: change it)' : ''}

  TOKEN=$(curl -s ${url}/v1/auth/login -H 'content-type: application/json' -d ${quote(credentials)} | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  curl -s ${url}/v1/users/me -H "authorization: Bearer $TOKEN"
  curl -s ${url}/v1/auth/.well-known/jwks.json

  Ctrl-C stops it, data stays; ${styleText('bold', 'npm run reset')} forgets it.
`);
}

/** For a POSIX shell. */
function quote(body: unknown): string {
  return `'${JSON.stringify(body).replaceAll("'", `'\\''`)}'`;
}
