import { isNativeError } from 'node:util/types';

/** Why an event did not reach its receiver. The words are ours, for administrators: no address, nothing of the answer. */
export class SendFailure extends Error {
  override readonly name = 'SendFailure';

  constructor(
    message: string,
    /** What was answered; null where nothing was. */
    readonly status: number | null = null,
    /** When the receiver wants to be asked again. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

const WORDS: readonly [code: RegExp, words: string][] = [
  [/^(ENOTFOUND|ENODATA|ENONAME|EBADNAME|EFORMERR|ENOTIMP)$/, 'the name does not resolve'],
  [/^(ESERVFAIL|EREFUSED|ETIMEOUT|EAI_\w+|EBADRESP)$/, 'the name could not be looked up'],
  [/^ECONNREFUSED$/, 'the connection was refused'],
  [/^(ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM_PREMATURE_CLOSE)$/, 'the connection was closed'],
  [/^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ETIMEDOUT)$/, 'the receiver could not be reached'],
  [/^(HPE_\w+)$/, 'the answer is not HTTP'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'the certificate is for another name'],
  [/^CERT_HAS_EXPIRED$/, 'the certificate has expired'],
  [
    /^(CERT_\w+|UNABLE_TO_\w+|DEPTH_ZERO_\w+|SELF_SIGNED_\w+|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH)$/,
    'the certificate is not valid',
  ],
  [/^(ERR_SSL_\w+|ERR_TLS_\w+|EPROTO)$/, 'no secure connection could be made'],
];

/** What went wrong on the network, in words that may be kept and shown. */
export function sendFailure(error: unknown): SendFailure {
  if (error instanceof SendFailure) return error;
  const code = codeOf(error);
  const words = WORDS.find(([pattern]) => pattern.test(code))?.[1];
  return new SendFailure(words ?? 'the receiver could not be reached');
}

/** Of several addresses that were tried, the first one's. */
function codeOf(error: unknown): string {
  if (!isNativeError(error)) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return first === undefined ? '' : codeOf(first);
}
