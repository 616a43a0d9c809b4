/** For TypeORM's own command line: `npx typeorm -d dist/src/data-source.js migration:show`. */
import { DataSource } from 'typeorm';
import { migrations } from '../migrations';
import { readConfig } from './boot/read-config';
import { dataSourceOptions } from './infra/database/data-source-options';

export default new DataSource(
  dataSourceOptions(readConfig(), { migrations, migrationsTableName: 'migrations' }),
);
