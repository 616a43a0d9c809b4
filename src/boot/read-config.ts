import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { Config, ConfigError, loadConfig } from '../config/config';

export interface Settings {
  config: Config;
  /** Variables that are not in the environment but in `.env`: a worker reads the file itself, as it is by then. */
  fromFile: readonly string[];
}

/** The settings out of the environment, and of `.env` where there is one; what is wrong ends the process, said plainly. */
export function readConfig(): Config {
  return readSettings().config;
}

export function readSettings(): Settings {
  const file = existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {};
  const fromFile = Object.keys(file).filter((name) => process.env[name] === undefined);
  for (const name of fromFile) process.env[name] = file[name];
  try {
    return { config: loadConfig(process.env), fromFile };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
