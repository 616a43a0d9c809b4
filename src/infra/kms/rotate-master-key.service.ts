import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { systemCaller } from '../../common/caller';
import { newId } from '../../common/ids';
import { Events } from '../events/events';
import { KMS, Kms } from './kms';

/** Makes a new version of the master key. What is under older ones is for `Rewrap`. */
@Injectable()
export class RotateMasterKey {
  constructor(
    @Inject(KMS) private readonly kms: Kms,
    private readonly db: EntityManager,
    private readonly events: Events,
  ) {}

  /** @returns the version that wraps from now on. @throws Error when the provider refuses, unavailable */
  async run(): Promise<string> {
    const { provider } = this.kms;
    const version = await this.kms.rotate();
    // The provider may be a network away, and no transaction waits for it.
    await this.db.transaction((tx) =>
      this.events.record(tx, systemCaller(newId()), {
        type: 'master_key.rotated',
        subject: `master_key:${version}`,
        data: { provider, version },
      }),
    );
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
