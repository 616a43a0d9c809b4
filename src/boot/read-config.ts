import { existsSync } from 'node:fs';
import { Config, ConfigError, loadConfig } from '../config/config';

/** The settings out of the environment, and of `.env` where there is one; what is wrong ends the process, said plainly. */
export function readConfig(): Config {
  if (existsSync('.env')) process.loadEnvFile('.env');
  try {
    return loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
