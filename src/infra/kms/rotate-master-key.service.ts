import { Inject, Injectable } from '@nestjs/common';
import { KMS, Kms } from './kms';
import { KmsEvents } from './kms-events';

/** Makes a new version of the master key. What is under older ones is for `Rewrap`. */
@Injectable()
export class RotateMasterKey {
  constructor(
    @Inject(KMS) private readonly kms: Kms,
    private readonly events: KmsEvents,
  ) {}

  /** @returns the version that wraps from now on. @throws Error when the provider refuses, unavailable */
  async run(): Promise<string> {
    const version = await this.kms.rotate();
    // Killed before this, `Rewrap` tells of it.
    await this.events.rotated(version);
    return version;
  }

  /**
   * Makes the version that `run` will put in force, so that its key can be carried to every machine before.
   * @throws Error when the provider keeps the key in one place and needs no such thing.
   */
  async prepare(): Promise<string> {
    const { kms } = this;
    if (!kms.stage)
      throw new Error(`the master key of ${kms.provider} is everywhere at once: rotate without --prepare`);
    return kms.stage();
  }
}
