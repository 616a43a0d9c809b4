import { join, relative, resolve } from 'node:path';

/**
 * The compiled file of a worker beside a module. Threads load plain JavaScript; where the module itself runs from
 * TypeScript (under jest), the worker comes from the last build.
 */
export function workerFile(moduleFile: string, worker: string): string {
  const compiled = resolve(moduleFile, '..', `${worker}.js`);
  if (!moduleFile.endsWith('.ts')) return compiled;
  const root = resolve(__dirname, '../..');
  return join(root, 'dist', relative(root, compiled));
}
