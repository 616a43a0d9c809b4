import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder of the project, seen from here and from here compiled, which lies in dist/. */
export const PROJECT_ROOT = rootOf(__dirname);

function rootOf(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('there is no package.json above');
  return rootOf(parent);
}
