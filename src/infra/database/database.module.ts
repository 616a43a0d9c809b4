/**
 * The one PostgreSQL connection pool, as TypeORM's `DataSource`. Every wait has a deadline: for a free connection, to
 * connect, and for each statement. It refuses to create or change tables; `npm run migrate` does.
 */
import { DynamicModule, Inject, Module, OnApplicationShutdown } from '@nestjs/common';
import { DataSource, EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';
import { CONFIG, Config } from '../../config/config';
import { dataSourceOptions } from './data-source-options';
import { SharedTime } from './shared-time';

@Module({})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(@Inject(DataSource) private readonly dataSource: DataSource) {}

  /** @param entities those of every feature; the features are right of this module on the ladder. */
  static with(entities: EntityTarget<ObjectLiteral>[]): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      providers: [
        {
          provide: DataSource,
          inject: [CONFIG],
          useFactory: (config: Config) =>
            new DataSource(dataSourceOptions(config, { entities: entities as never })).initialize(),
        },
        {
          provide: EntityManager,
          inject: [DataSource],
          useFactory: (dataSource: DataSource) => dataSource.manager,
        },
        SharedTime,
      ],
      exports: [DataSource, EntityManager],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }
}
