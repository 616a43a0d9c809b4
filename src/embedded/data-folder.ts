import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FolderLock } from './folder-lock';
import { makeOpenFolder, reachable } from './server-user';

const MARKER = '.user-service-data';

/** What a server of ours is reached by; kept from start to start. */
export interface Access {
  port?: number;
  password: string;
}

/** The folder of the embedded servers: their data, logs, ports and passwords. Only a marked folder is ever deleted. */
export class DataFolder {
  private constructor(
    readonly path: string,
    readonly lock: FolderLock,
  ) {}

  /** Where the data of `DATA_DIR` lies: elsewhere when the user of the servers can't enter it. */
  static locate(dataDir: string): DataFolder {
    const path = reachable(resolve(dataDir));
    return new DataFolder(path, new FolderLock(join(path, 'lock')));
  }

  /** @throws Error when the folder has other things in it, or can't be made. */
  create(): void {
    if (this.isOurs()) return;
    makeOpenFolder(this.path);
    if (this.files().length > 0) {
      throw new Error(`${this.path} has other things in it: name an empty or new folder in DATA_DIR`);
    }
    writeFileSync(this.file(MARKER), 'Made by `npm start`, deleted by `npm run reset`.\n');
  }

  /** False where another folder stands in. */
  isAt(dataDir: string): boolean {
    return this.path === resolve(dataDir);
  }

  isOurs(): boolean {
    return existsSync(this.file(MARKER));
  }

  /** Names of what is in it; none where it doesn't exist. */
  files(): string[] {
    return existsSync(this.path) ? readdirSync(this.path) : [];
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** @throws Error when what was kept can't be read. */
  access(server: string): Access {
    const file = this.accessFile(server);
    if (!existsSync(file)) this.keepAccess(server, { password: randomBytes(24).toString('base64url') });
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as Access;
    } catch (cause) {
      throw new Error(`${file} is damaged; \`npm run reset\` starts over`, { cause });
    }
  }

  keepAccess(server: string, access: Access): void {
    const file = this.accessFile(server);
    writeFileSync(`${file}.new`, JSON.stringify(access), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  /** @throws Error when the folder doesn't bear our mark. */
  requireOurs(): void {
    if (!this.isOurs()) throw new Error(`${this.path} was not made by this service, so it is left alone`);
  }

  /** @throws Error when the folder doesn't bear our mark. */
  delete(): void {
    this.requireOurs();
    rmSync(this.path, { recursive: true });
  }

  private accessFile(server: string): string {
    return this.file(`${server}.access.json`);
  }
}
