import { DynamicModule, Module } from '@nestjs/common';
import { Config } from './config/config';
import { ConfigModule } from './config/config.module';
import { DatabaseModule } from './infra/database/database.module';
import { EventsModule } from './infra/events/events.module';
import { KmsModule } from './infra/kms/kms.module';
import { RedisModule } from './infra/redis/redis.module';

/** The whole service, left to right as on the ladder (README, architecture). */
@Module({})
export class AppModule {
  static with(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [ConfigModule.with(config), DatabaseModule.with([]), RedisModule, KmsModule, EventsModule],
    };
  }
}
