import type { Config } from './config';

/** What KMS_MASTER_KEY_ID is while nobody has set it. It means something to no remote provider. */
const NOT_SET = 'keys/master.key';
const ARN = /^arn:[\w-]+:kms:[\w-]+:\d{12}:(key|alias)\/[\w/-]+$/;
/** What Vault takes for the name of a key, and for where an engine is mounted or a namespace lies. */
const VAULT_NAME = /^\w([\w.-]*\w)?$/;
const VAULT_PATH = /^[\w-][\w.-]*(\/[\w-][\w.-]*)*\/?$/;

/** What is missing or wrong for the KMS in use, wherever the service runs. The settings of the others do not count. */
export function* invalidKms(config: Config): Generator<string> {
  if (config.KMS_PROVIDER === 'local') return;
  if (config.KMS_MASTER_KEY_ID === NOT_SET)
    yield `KMS_MASTER_KEY_ID: must be set to the key in ${config.KMS_PROVIDER === 'aws' ? 'AWS KMS' : 'Vault'}`;
  else if (config.KMS_PROVIDER === 'vault') yield* invalidVaultKey(config);
  if (config.KMS_PROVIDER === 'vault') yield* invalidVault(config);
  else yield* invalidAws(config);
}

/** What would show keys or tokens to whoever listens. */
export function* weakKms({ KMS_PROVIDER, VAULT_ADDR, AWS_ENDPOINT_URL_KMS }: Config): Generator<string> {
  if (KMS_PROVIDER === 'vault' && VAULT_ADDR.startsWith('http:'))
    yield 'VAULT_ADDR: must start with https://';
  if (KMS_PROVIDER === 'aws' && AWS_ENDPOINT_URL_KMS.startsWith('http:'))
    yield 'AWS_ENDPOINT_URL_KMS: must start with https://, or be empty';
}

function* invalidAws({ AWS_REGION, AWS_ENDPOINT_URL_KMS, KMS_MASTER_KEY_ID }: Config): Generator<string> {
  if (AWS_REGION && !/^[a-z0-9-]{1,40}$/.test(AWS_REGION)) yield 'AWS_REGION: is not the name of a region';
  if (!AWS_REGION && !ARN.test(KMS_MASTER_KEY_ID))
    yield 'AWS_REGION: must be set, or KMS_MASTER_KEY_ID be an ARN, which names one';
  if (AWS_ENDPOINT_URL_KMS && !isPlace(AWS_ENDPOINT_URL_KMS))
    yield 'AWS_ENDPOINT_URL_KMS: must be http(s)://host[:port][/path] and nothing more';
}

function* invalidVaultKey({ KMS_MASTER_KEY_ID }: Config): Generator<string> {
  if (!VAULT_NAME.test(KMS_MASTER_KEY_ID)) yield 'KMS_MASTER_KEY_ID: is not the name of a key in Vault';
}

function* invalidVault(config: Config): Generator<string> {
  if (!config.VAULT_ADDR) yield 'VAULT_ADDR: must be set';
  else if (!isPlace(config.VAULT_ADDR))
    yield 'VAULT_ADDR: must be http(s)://host[:port][/path] and nothing more';
  if (!config.VAULT_TOKEN && !config.VAULT_TOKEN_FILE) yield 'VAULT_TOKEN: must be set, or VAULT_TOKEN_FILE';
  if (config.VAULT_TOKEN && config.VAULT_TOKEN_FILE)
    yield 'VAULT_TOKEN: must not be set together with VAULT_TOKEN_FILE';
  if (config.VAULT_NAMESPACE && !VAULT_PATH.test(config.VAULT_NAMESPACE))
    yield 'VAULT_NAMESPACE: is not a namespace';
  if (!VAULT_PATH.test(config.VAULT_TRANSIT_MOUNT)) yield 'VAULT_TRANSIT_MOUNT: is not a mount';
}

function isPlace(text: string): boolean {
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && !username && !password && !search && !hash;
}
