import type { INestApplicationContext } from '@nestjs/common';
import type { Config } from '../config/config';
import type { Shutdown } from './shutdown';

export interface Administrator {
  email: string;
  /** Present while it is still the one made for the first sign-in. */
  password?: string;
}

export interface Serving {
  administrator?: Administrator;
  /** Leaves the port to other processes; resolves when nobody is connected any more. */
  leavePort: () => Promise<void>;
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
): Promise<Serving> {
  const { createApp } = await import('../app.setup.js');
  const { leavePort } = await import('../doors/http/close-idle-connections.js');
  const app = await createApp(config);
  shutdown.defer(() => app.close());
  const administrator = makesAdministrator ? await firstAdministrator(app) : undefined;
  await app.listen(config.PORT, config.HOST);
  return { administrator, leavePort: () => leavePort(app.getHttpServer()) };
}

async function firstAdministrator(app: INestApplicationContext): Promise<Administrator | undefined> {
  const { ensureFirstAdministrator } = await import('../users/first-administrator.js');
  return ensureFirstAdministrator(app);
}
