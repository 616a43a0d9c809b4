import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { DataFolder } from '../data-folder';
import { freePort } from '../ports';
import { KiteSandbox, startKiteSandbox } from './kite-sandbox';
import { KeptState } from './kite-state';

const FILE = 'kite-sandbox.json';

interface Kept extends KeptState {
  port: number;
}

/**
 * The sandbox whose apps and sessions, and port, are kept in the data folder, so that linked accounts go on after a
 * restart. The folder is made with the first app: a service with stores of its own needs none. Nothing is kept where the
 * folder is in the hands of another service, or can't be had.
 * @param redirectUrl of new apps.
 * @throws Error when what was kept can't be read.
 */
export async function startKeptSandbox(dataDir: string, redirectUrl: string): Promise<KiteSandbox> {
  const data = DataFolder.locate(dataDir);
  const holder = data.lock.holder();
  if (holder && holder.pid !== process.pid) return startKiteSandbox({ redirectUrl });
  const file = data.file(FILE);
  const kept = read(file);
  const port = await freePort(kept?.port);
  const keep = (state: KeptState): void => {
    if (!canBeHad(data)) return;
    const text = JSON.stringify({ port, ...state } satisfies Kept);
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  return startKiteSandbox({ port, redirectUrl, kept, onChange: keep });
}

function canBeHad(data: DataFolder): boolean {
  try {
    data.create();
    return true;
  } catch {
    return false;
  }
}

function read(file: string): Kept | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const { port, apps, sessions } = JSON.parse(readFileSync(file, 'utf8')) as Kept;
    return { port, apps: [...apps], sessions: [...sessions] };
  } catch (cause) {
    throw new Error(`${file} is damaged; \`npm run reset\` starts over`, { cause });
  }
}
