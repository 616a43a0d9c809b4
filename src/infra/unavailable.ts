import { isNativeError } from 'node:util/types';

const POSTGRES_CLASSES = new Set(['08', '53', '57', '58']);
// Statements cancelled by our own deadline, or that lost against another: a later try can succeed.
const POSTGRES_CODES = new Set(['57014', '55P03', '40001', '40P01', '25P03']);
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
const MESSAGES = [
  /^timeout exceeded when trying to connect/i,
  /^Query read timeout/i,
  /^Connection terminated/i,
  /^Client has encountered a connection error/i,
  /^Client was closed and is not queryable/i,
  /^Cannot use a pool after calling end/i,
  /^Driver not Connected/i,
  // TypeORM, of a connection that ended between two statements of a transaction.
  /^Database connection provided by a query runner was already released/,
  /^Query runner already released/,
  /^Connection is closed/i,
  /^Command timed out/i,
  /^Reached the max retries per request limit/i,
  /^Stream isn't writeable/i,
  /^Redis connection is not ready/i,
  /^Failed to refresh slots cache/i,
  /^Command aborted due to connection close/i,
  // Of a cluster client: no node is there, or the slots are just moving.
  /^Cluster (isn't ready|is ended|is disconnect)/i,
  /^None of startup nodes is available/i,
  /^Too many Cluster redirections/i,
  /^All keys in the pipeline should belong to the same slots allocation group/i,
  /^(MOVED|ASK|NOSCRIPT|LOADING|READONLY|OOM|MISCONF|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|UNKILLABLE|ERR max number of clients)/,
];

/**
 * Whether an error says that PostgreSQL, Redis or the network cannot answer now, as opposed to a mistake of ours.
 * Looks through wrappers (TypeORM's QueryFailedError, causes).
 */
export function isUnavailable(error: unknown, depth = 0): boolean {
  if (!isError(error) || depth > 4) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (NETWORK_CODES.has(code) || POSTGRES_CODES.has(code)) return true;
  if (/^[0-9A-Z]{5}$/.test(code) && POSTGRES_CLASSES.has(code.slice(0, 2))) return true;
  if (MESSAGES.some((pattern) => pattern.test(error.message))) return true;
  const inner = 'driverError' in error ? error.driverError : error.cause;
  return inner !== error && isUnavailable(inner, depth + 1);
}

/** Also an error of another realm, which `instanceof` does not know. */
function isError(error: unknown): error is Error {
  return error instanceof Error || isNativeError(error);
}
