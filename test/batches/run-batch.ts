import { join } from 'node:path';
import { ROOT, specsOf } from './batches';

/** Declares the tests of every spec of a batch, each under the name of its file. */
export function runBatch(name: string): void {
  for (const spec of specsOf(name)) {
    describe(spec, () => {
      afterAll(() => jest.restoreAllMocks());
      jest.requireActual(join(ROOT, spec));
    });
  }
}
