/** `npm run reset`: forgets the embedded data and the development key. The next start begins anew. */
import { readConfig } from '../boot/read-config';
import { deleteDevelopmentKey } from './development-keys';
import { forget } from './forget';

async function reset(): Promise<void> {
  const config = readConfig();
  if (config.ENVIRONMENT !== 'development') throw new Error('reset is for development');
  const folder = await forget(config.DATA_DIR);
  console.log(folder ? `deleted ${folder}` : `there is no data in ${config.DATA_DIR}`);
  if (config.DATABASE_URL) {
    console.log(`kept the database of DATABASE_URL, and ${config.LOCAL_KMS_KEY_PATH}, which it needs`);
  } else if (deleteDevelopmentKey(config.LOCAL_KMS_KEY_PATH)) {
    console.log(`deleted ${config.LOCAL_KMS_KEY_PATH}`);
  }
}

reset().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
