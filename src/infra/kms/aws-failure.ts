import { isNativeError } from 'node:util/types';
import { failureReason } from '../logging/failure-reason';
import { IntegrityError } from './integrity-error';
import { RemoteFailure } from './remote-call';

/** What AWS KMS calls a ciphertext that it did not make, made for another context, or with another key. */
const NOT_OURS = new Set(['InvalidCiphertextException', 'IncorrectKeyException']);
/** Errors of the client by number (400) that time heals. */
const PASSING = new Set(['ThrottlingException', 'TooManyRequestsException', 'KeyUnavailableException']);

/** The members that the SDK gives its errors, where an answer came. */
interface SdkError extends Error {
  $metadata?: { httpStatusCode?: number; requestId?: string; clockSkewCorrected?: boolean };
}

/**
 * What an error of the SDK means to us. The error itself is let go: it holds the request and the answer.
 * @returns IntegrityError or RemoteFailure
 */
export function awsFailure(thrown: unknown): Error {
  if (thrown instanceof RemoteFailure) return thrown;
  const error: SdkError = isNativeError(thrown) ? thrown : new Error('no error was thrown');
  const { httpStatusCode: status, requestId, clockSkewCorrected } = error.$metadata ?? {};
  if (!status) {
    // Nothing was answered: the network, or nobody to sign for us.
    const passing = error.name !== 'CredentialsProviderError';
    return new RemoteFailure(`AWS KMS: ${failureReason(error)}`, { passing });
  }
  const code = /^\w{1,64}$/.test(error.name) ? error.name : 'UnknownError';
  if (NOT_OURS.has(code)) return new IntegrityError('the wrapped secret');
  const request = requestId && /^[\w-]{1,64}$/.test(requestId) ? `, request ${requestId}` : '';
  return new RemoteFailure(`AWS KMS answered ${status} ${code}${request}`, {
    passing: status >= 500 || status === 429 || PASSING.has(code) || clockSkewCorrected === true,
    code,
  });
}
