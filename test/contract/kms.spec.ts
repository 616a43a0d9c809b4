import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalKms } from '../../src/infra/kms/local-kms';
import { describeKms } from './kms.contract';

const folder = mkdtempSync(join(tmpdir(), 'user-service-kms-contract-'));
afterAll(() => rmSync(folder, { recursive: true }));

describeKms('LocalKms', (key) => {
  const path = join(folder, key);
  writeFileSync(path, createHash('sha256').update(key).digest('hex'));
  return LocalKms.fromFile(path);
});
