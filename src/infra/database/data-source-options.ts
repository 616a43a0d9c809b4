import { DataSourceOptions } from 'typeorm';
import { Config } from '../../config/config';
import { ImpatientClient } from './impatient-client';

type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

/** TypeORM's options, its unsafe defaults (no deadline anywhere) replaced. */
export function dataSourceOptions(config: Config, more: Partial<PostgresOptions> = {}): PostgresOptions {
  return {
    type: 'postgres',
    url: config.DATABASE_URL,
    applicationName: config.APP_NAME,
    poolSize: config.DATABASE_POOL_SIZE + config.DATABASE_MAX_OVERFLOW,
    // One deadline for a free connection and for a new one.
    connectTimeoutMS: config.DATABASE_POOL_TIMEOUT * 1000,
    extra: {
      Client: ImpatientClient,
      query_timeout: config.DATABASE_QUERY_TIMEOUT_MS,
      // The server gives up too, so that an abandoned statement holds no lock.
      statement_timeout: config.DATABASE_QUERY_TIMEOUT_MS,
      idle_in_transaction_session_timeout: 5_000,
      keepAlive: true,
      idleTimeoutMillis: 30_000,
    },
    // Rows never create or change tables; migrations do.
    synchronize: false,
    logging: false,
    ...more,
  };
}
