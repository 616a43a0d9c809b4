import type { Config } from './config';

/** Whether what stands in Kite's place is a sandbox on this machine: then there is a page to try it with. */
export function usesKiteSandbox({ ENVIRONMENT, KITE_API_BASE_URL }: Config): boolean {
  return (
    ENVIRONMENT === 'development' &&
    KITE_API_BASE_URL !== '' &&
    ['127.0.0.1', 'localhost'].includes(new URL(KITE_API_BASE_URL).hostname)
  );
}
