import { ClientError, ResponseBodyError } from 'openid-client';

/** openid-client's codes of an answer that came, and is not to be believed. */
const NOT_BELIEVED = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_KEY_SELECTION_FAILED',
]);

/** Whether Google was asked, and this sign-in is not good; anything else is trouble at Google, on the way, or here. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof ResponseBodyError) return error.error === 'invalid_grant';
  return error instanceof ClientError && error.code !== undefined && NOT_BELIEVED.has(error.code);
}

/**
 * What an operator may see of a failure: kind, code and message. The error itself holds requests, replies and tokens.
 */
export function withoutSecrets(error: unknown): Error {
  if (!(error instanceof Error)) return new Error('no error was thrown');
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
  const said = error instanceof ResponseBodyError && /^\w{1,64}$/.test(error.error) ? `: ${error.error}` : '';
  const below = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return new Error(`${error.message}${code}${said}${below}`);
}
