import { randomUUID } from 'node:crypto';
import { Clock } from '../../src/common/clock';
import { loadConfig } from '../../src/config/config';
import { AwsKms } from '../../src/infra/kms/aws-kms';
import type { RotationPatience } from '../../src/infra/kms/master-key-version';
import { VaultKms } from '../../src/infra/kms/vault-kms';
import type { AwsKmsServer } from './aws-kms-server';
import type { VaultServer } from './vault-server';

/** How a test says otherwise. */
export interface RemoteOptions {
  settings?: Record<string, string>;
  clock?: Clock;
  patience?: RotationPatience;
}

const QUICK: RotationPatience = { rotationMs: 5_000, pollMs: 20 };

/** The settings that mean the stand-in, and a key of this name in it. */
export const awsSettings = ({ url, region }: AwsKmsServer, name: string): Record<string, string> => ({
  KMS_PROVIDER: 'aws',
  KMS_MASTER_KEY_ID: `alias/${name}`,
  AWS_REGION: region,
  AWS_ENDPOINT_URL_KMS: url,
});

/** Has the SDK's default chain find the credentials of the stand-in, first of all places. */
export function provideCredentials({ credentials }: AwsKmsServer): void {
  process.env.AWS_ACCESS_KEY_ID = credentials.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = credentials.secretAccessKey;
  process.env.AWS_SESSION_TOKEN = credentials.sessionToken;
}

export async function openAws(
  server: AwsKmsServer,
  name: string,
  { settings, clock = new Clock(), patience = QUICK }: RemoteOptions = {},
): Promise<AwsKms> {
  server.newKey(name);
  return AwsKms.open(loadConfig({ ...awsSettings(server, name), ...settings }), clock, patience);
}

export const vaultSettings = (
  { url, mount, namespace }: VaultServer,
  name: string,
): Record<string, string> => ({
  KMS_PROVIDER: 'vault',
  KMS_MASTER_KEY_ID: name,
  VAULT_ADDR: url,
  VAULT_NAMESPACE: namespace,
  VAULT_TRANSIT_MOUNT: mount,
});

export function openVault(
  server: VaultServer,
  name: string,
  { settings, clock = new Clock(), patience = QUICK }: RemoteOptions = {},
): VaultKms {
  server.newKey(name);
  const token = settings?.VAULT_TOKEN_FILE ? undefined : server.newToken();
  const all = { ...vaultSettings(server, name), VAULT_TOKEN: token, ...settings };
  return new VaultKms(loadConfig(all), clock, patience);
}

/** Keys of one run in a real provider, by the names of the suite. */
export interface RealKeys<K> {
  open(name: string): Promise<K>;
  remove(): Promise<void>;
}

const RUN = randomUUID().slice(0, 8);
/** AWS takes its time to rotate. */
const LONG: RotationPatience = { rotationMs: 240_000, pollMs: 2_000 };

/** Makes keys in AWS KMS as they are asked for, and schedules their deletion. Credentials: the SDK's default chain. */
export function realAwsKeys(region: string): RealKeys<AwsKms> {
  const ids = new Map<string, string>();
  const connect = async () => {
    const sdk = await import('@aws-sdk/client-kms');
    return { sdk, client: new sdk.KMSClient({ region }) };
  };
  return {
    open: async (name) => {
      const { sdk, client } = await connect();
      if (!ids.has(name)) {
        const made = await client.send(new sdk.CreateKeyCommand({ Description: `user-service test ${RUN}` }));
        ids.set(name, made.KeyMetadata!.KeyId!);
      }
      const settings = { KMS_PROVIDER: 'aws', KMS_MASTER_KEY_ID: ids.get(name)!, AWS_REGION: region };
      return AwsKms.open(loadConfig({ ...settings, KMS_TIMEOUT_MS: '10000' }), new Clock(), LONG);
    },
    remove: async () => {
      const { sdk, client } = await connect();
      for (const KeyId of ids.values())
        await client.send(new sdk.ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
    },
  };
}

/** Makes keys in the transit engine of a Vault as they are asked for, and deletes them. */
export function realVaultKeys(url: string, token: string, mount: string): RealKeys<VaultKms> {
  const names = new Set<string>();
  const ask = async (method: string, name: string, path = '', body?: object): Promise<void> => {
    const reply = await fetch(`${url}/v1/${mount}/keys/${name}${path}`, {
      method,
      headers: { 'X-Vault-Token': token, 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
  };
  return {
    open: async (name) => {
      const key = `user-service-test-${RUN}-${name}`;
      if (!names.has(key)) await ask('POST', key, '', { type: 'aes256-gcm96' });
      names.add(key);
      const settings = { KMS_PROVIDER: 'vault', KMS_MASTER_KEY_ID: key, VAULT_ADDR: url };
      return new VaultKms(
        loadConfig({ ...settings, VAULT_TOKEN: token, VAULT_TRANSIT_MOUNT: mount, KMS_TIMEOUT_MS: '10000' }),
        new Clock(),
        LONG,
      );
    },
    remove: async () => {
      for (const name of names) {
        await ask('POST', name, '/config', { deletion_allowed: true });
        await ask('DELETE', name);
      }
    },
  };
}
