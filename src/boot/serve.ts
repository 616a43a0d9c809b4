import type { Config } from '../config/config';
import type { Shutdown } from './shutdown';

export interface Administrator {
  email: string;
  /** Present while it is still the one made for the first sign-in. */
  password?: string;
}

/**
 * Serves in this process.
 * @param makesAdministrator makes the first administrator before it listens.
 * @throws Error when a store can't be reached, or the port can't be had.
 */
export async function serve(
  config: Config,
  shutdown: Shutdown,
  makesAdministrator: boolean,
): Promise<Administrator | undefined> {
  const { createApp } = await import('../app.setup.js');
  const { ensureFirstAdministrator } = await import('../users/first-administrator.js');
  const app = await createApp(config);
  shutdown.defer(() => app.close());
  const administrator = makesAdministrator ? await ensureFirstAdministrator(app) : undefined;
  await app.listen(config.PORT, config.HOST);
  return administrator;
}
