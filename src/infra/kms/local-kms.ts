import { Logger } from '@nestjs/common';
import { unavailable } from '../../common/common.errors';
import { open, seal } from './envelope';
import { IntegrityError } from './integrity-error';
import { Kms, requireWrappable } from './kms';
import { MasterKeyFile } from './master-key-file';
import { MissingVersion } from './missing-version';
import { unavailableBecause } from './remote-call';
import { packWrapped, unpackWrapped } from './wrapped-secret';

/** First byte of what was wrapped before there were versions: all of it was sealed, by what is version 1 now. */
const UNVERSIONED = 1;
const NUMBER = /^[1-9]\d{0,8}$/;
const TOLD_EVERY_MS = 60_000;

/** A master key in a file. Rotations by other processes are followed. */
export class LocalKms implements Kms {
  readonly provider = 'local';
  private readonly logger = new Logger(LocalKms.name);
  private problem = '';
  private missingTold = -Infinity;

  private constructor(private readonly file: MasterKeyFile) {}

  /** @throws Error when the file is missing or holds something else than keys. */
  static async fromFile(path: string): Promise<LocalKms> {
    return new LocalKms(await MasterKeyFile.open(path));
  }

  async wrap(secret: Uint8Array, context: string): Promise<Buffer> {
    requireWrappable(secret);
    const version = await this.currentVersion();
    return packWrapped({ version, body: seal(this.keyOf(version), secret, placeOf(version, context)) });
  }

  async unwrap(wrapped: Uint8Array, context: string): Promise<Buffer> {
    const { version, body } = unpackWrapped(wrapped);
    if (!NUMBER.test(version)) throw new IntegrityError('the wrapped secret');
    if (!this.file.key(Number(version))) await this.lookForNewVersions();
    const key = this.keyOf(version);
    if (wrapped[0] === UNVERSIONED) return open(key, wrapped, context);
    const secret = open(key, body, placeOf(version, context));
    this.file.noteUse(Number(version));
    return secret;
  }

  async currentVersion(): Promise<string> {
    // A file that went away, or is being edited, must not stop what works without it.
    await this.file.refresh().then(
      () => (this.problem = ''),
      (error: Error) => this.report(error.message),
    );
    return String(this.file.current);
  }

  async rotate(): Promise<string> {
    return String(await this.file.rotate());
  }

  async stage(): Promise<string> {
    return String(await this.file.stage());
  }

  /** Once, not with every secret. */
  private report(problem: string): void {
    if (problem !== this.problem) this.logger.error(`the master key in memory is used on: ${problem}`);
    this.problem = problem;
  }

  private async lookForNewVersions(): Promise<void> {
    try {
      await this.file.refresh();
    } catch (cause) {
      // Whether there is such a version cannot be told now.
      throw unavailable({ cause });
    }
  }

  private keyOf(version: string): Buffer {
    return this.file.key(Number(version)) ?? this.missing(version);
  }

  /** A key that has not been carried here yet, or was lost: whether the secret is whole cannot be told. */
  private missing(version: string): never {
    const problem = `the key file has no version ${version} of the master key`;
    if (performance.now() - this.missingTold >= TOLD_EVERY_MS) {
      this.missingTold = performance.now();
      this.logger.error(`${problem}: what is under it cannot be read here`);
    }
    throw unavailableBecause(new MissingVersion(problem));
  }
}

/** The version is bound to the body, apart from all that was bound before there were versions. */
const placeOf = (version: string, context: string): string => `\0${version}\0${context}`;
