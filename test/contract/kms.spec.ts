import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalKms } from '../../src/infra/kms/local-kms';
import { AwsKmsServer, startAwsKms } from '../support/aws-kms-server';
import { openAws, openVault, provideCredentials, realAwsKeys, realVaultKeys } from '../support/remote-kms';
import { startVault, VaultServer } from '../support/vault-server';
import { describeKms } from './kms.contract';

const folder = mkdtempSync(join(tmpdir(), 'user-service-kms-contract-'));
afterAll(() => rmSync(folder, { recursive: true }));

describeKms('LocalKms', (key) => {
  const path = join(folder, key);
  if (!existsSync(path)) {
    writeFileSync(path, createHash('sha256').update(key).digest('hex'), { mode: 0o600 });
  }
  return LocalKms.fromFile(path);
});

/** Thousands of calls on a busy machine are not what deadlines are for. */
const PATIENT = { KMS_TIMEOUT_MS: '20000' };

const { TEST_AWS_REGION, TEST_VAULT_ADDR, TEST_VAULT_TOKEN = '', TEST_VAULT_MOUNT = 'transit' } = process.env;

if (!TEST_AWS_REGION) {
  let aws: AwsKmsServer;
  beforeAll(async () => {
    aws = await startAwsKms();
    provideCredentials(aws);
  });
  afterAll(() => aws.stop());

  describeKms('AwsKms on a stand-in', (key) => openAws(aws, key, { settings: PATIENT }), { most: 500 });
}

let vault: VaultServer;
beforeAll(async () => {
  vault = await startVault();
});
afterAll(() => vault.stop());

describeKms('VaultKms on a stand-in', (key) => openVault(vault, key, { settings: PATIENT }), { most: 500 });

// The real things, where their addresses are in the environment: CONTRIBUTING.md tells how.
if (TEST_AWS_REGION) {
  jest.setTimeout(900_000);
  const keys = realAwsKeys(TEST_AWS_REGION);
  afterAll(() => keys.remove());
  describeKms('AwsKms', (key) => keys.open(key), { most: 40 });
}

if (TEST_VAULT_ADDR) {
  const keys = realVaultKeys(TEST_VAULT_ADDR, TEST_VAULT_TOKEN, TEST_VAULT_MOUNT);
  afterAll(() => keys.remove());
  describeKms('VaultKms', (key) => keys.open(key), { most: 200 });
}
