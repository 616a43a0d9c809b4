import { DynamicModule, Module } from '@nestjs/common';
import { Clock } from '../common/clock';
import { CONFIG, Config } from './config';

/** Gives everyone the one `Config` and the `Clock`. */
@Module({})
export class ConfigModule {
  static with(config: Config): DynamicModule {
    return {
      module: ConfigModule,
      global: true,
      providers: [{ provide: CONFIG, useValue: config }, Clock],
      exports: [CONFIG, Clock],
    };
  }
}
