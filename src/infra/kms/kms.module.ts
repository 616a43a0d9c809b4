import { Global, Module } from '@nestjs/common';
import { CONFIG, Config } from '../../config/config';
import { KMS } from './kms';
import { LocalKms } from './local-kms';

@Global()
@Module({
  providers: [
    {
      provide: KMS,
      inject: [CONFIG],
      useFactory: (config: Config) => LocalKms.fromFile(config.LOCAL_KMS_KEY_PATH),
    },
  ],
  exports: [KMS],
})
export class KmsModule {}
