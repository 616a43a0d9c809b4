import { DataFolder } from './data-folder';
import { stopLeftovers } from './server-process';

/**
 * Stops servers that a killed service left, and deletes the data folder.
 * @returns the folder, or undefined when there was none.
 * @throws Error when a service runs on it, or when it isn't ours.
 */
export async function forget(dataDir: string): Promise<string | undefined> {
  const data = DataFolder.locate(dataDir);
  if (data.files().length === 0) return undefined;
  data.requireOurs();
  data.lock.acquire();
  try {
    await stopLeftovers(data);
    data.delete();
  } finally {
    data.lock.release();
  }
  return data.path;
}
