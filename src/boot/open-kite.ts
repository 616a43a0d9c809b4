import type { Config } from '../config/config';
import { step } from './progress';
import type { Shutdown } from './shutdown';

/**
 * In development, starts a sandbox in Kite's place where no other is configured. Nothing of it is even loaded elsewhere.
 * @returns the settings with its addresses.
 */
export async function openKite(config: Config, shutdown: Shutdown): Promise<Config> {
  if (config.ENVIRONMENT !== 'development' || config.KITE_API_BASE_URL) return config;
  const kite = await step(
    async () => {
      const { startKeptSandbox } = await import('../embedded/kite-sandbox/kept-sandbox.js');
      return startKeptSandbox(config.DATA_DIR, `${config.PUBLIC_URL}/dev/kite`);
    },
    ({ url }) => `Kite sandbox on ${new URL(url).host}`,
  );
  shutdown.defer(() => kite.stop());
  return Object.freeze({
    ...config,
    KITE_API_BASE_URL: kite.url,
    KITE_LOGIN_URL: config.KITE_LOGIN_URL || kite.loginUrl,
  });
}
