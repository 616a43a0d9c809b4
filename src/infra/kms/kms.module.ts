import { Global, Module } from '@nestjs/common';
import { Clock } from '../../common/clock';
import { CONFIG, Config } from '../../config/config';
import { AwsKms } from './aws-kms';
import { CountedKms } from './counted-kms';
import { KMS, Kms } from './kms';
import { KmsEvents } from './kms-events';
import { LocalKms } from './local-kms';
import { RewrapSchedule } from './rewrap-schedule';
import { Rewrap } from './rewrap.service';
import { RotateMasterKey } from './rotate-master-key.service';
import { VaultKms } from './vault-kms';
import { WrappedColumns } from './wrapped-columns';
import { WrappedRows } from './wrapped-rows';

/**
 * Owns the master key, or the way to it: `KMS_PROVIDER` says which. Refuses to tell a wrapped secret apart from a
 * changed one: whoever unwraps gets what was wrapped, for the purpose it was wrapped for, or an error.
 */
@Global()
@Module({
  providers: [
    { provide: KMS, inject: [CONFIG, Clock], useFactory: openCounted },
    WrappedColumns,
    WrappedRows,
    KmsEvents,
    Rewrap,
    RewrapSchedule,
    RotateMasterKey,
  ],
  exports: [KMS, KmsEvents, WrappedColumns],
})
export class KmsModule {}

async function openCounted(config: Config, clock: Clock): Promise<Kms> {
  return new CountedKms(await openKms(config, clock));
}

/** Remote providers are asked nothing yet: a start that needs no key does not need them. */
async function openKms(config: Config, clock: Clock): Promise<Kms> {
  switch (config.KMS_PROVIDER) {
    case 'local':
      return LocalKms.fromFile(config.LOCAL_KMS_KEY_PATH);
    case 'aws':
      return AwsKms.open(config, clock);
    case 'vault':
      return new VaultKms(config, clock);
  }
}
