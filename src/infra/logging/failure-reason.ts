import { isNativeError } from 'node:util/types';

const ADDRESS = /\S*@\S*/g;
const TOKEN = /[\w-]{20,}/g;

/**
 * Why a mail server or a store did not do its part, fit for logs and tables: no address, no secret. Of a mail server's
 * reply only the codes are kept, because its words often repeat the address.
 */
export function failureReason(error: unknown): string {
  // Not instanceof: an error of another realm is one too.
  if (!isNativeError(error)) return 'unknown error';
  const { name, message, code, responseCode, response, command } = error as Error & Partial<SmtpFailure>;
  if (responseCode || response) {
    const enhanced = /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(response ?? '')?.[1];
    return [code, responseCode, enhanced, command && `at ${command}`].filter(Boolean).join(' ');
  }
  const words = message.split('\n', 1)[0]!.replace(ADDRESS, '[address]').replace(TOKEN, '[redacted]');
  return `${code ?? name}: ${words}`.slice(0, 200);
}

interface SmtpFailure {
  code: string;
  responseCode: number;
  response: string;
  command: string;
}
