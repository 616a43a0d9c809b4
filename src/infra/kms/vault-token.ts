import { readFile, stat } from 'node:fs/promises';
import type { Config } from '../../config/config';
import { RemoteFailure } from './remote-call';

type Settings = Pick<Config, 'VAULT_TOKEN' | 'VAULT_TOKEN_FILE'>;

/** What we show Vault: a text of the environment, or a file that a Vault Agent writes anew. */
export class VaultToken {
  private read?: { token: string; mark: string };

  constructor(private readonly settings: Settings) {}

  /** @throws RemoteFailure that does not repeat what stands there. */
  async current(): Promise<string> {
    const path = this.settings.VAULT_TOKEN_FILE;
    if (!path) return fit(this.settings.VAULT_TOKEN, 'VAULT_TOKEN');
    const mark = await markOf(path);
    if (this.read?.mark !== mark) this.read = { token: await contentOf(path), mark };
    return this.read.token;
  }

  /** After Vault refused one: looks whether there is another by now. */
  async afterRefusal(refused: string): Promise<string | undefined> {
    if (!this.settings.VAULT_TOKEN_FILE) return undefined;
    // Written in the same tick and of the same length it would look unchanged.
    this.read = undefined;
    const token = await this.current();
    return token === refused ? undefined : token;
  }
}

async function markOf(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path).catch(() => unreadable());
  return `${ino} ${size} ${mtimeMs}`;
}

async function contentOf(path: string): Promise<string> {
  return fit((await readFile(path, 'utf8').catch(() => unreadable())).trim(), 'VAULT_TOKEN_FILE');
}

/** What fits no header would come back in the message of the error. */
function fit(token: string, where: string): string {
  if (!/^[\x21-\x7e]{1,4096}$/.test(token))
    throw new RemoteFailure(`${where} holds no token for Vault`, { passing: false });
  return token;
}

function unreadable(): never {
  // An agent that replaces the file may be about to.
  throw new RemoteFailure('VAULT_TOKEN_FILE cannot be read', { passing: true });
}
