import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { AwsCredentials, signatureProblem } from './aws-signature';
import { FaultyServer, Reply, startFaultyServer } from './faulty-server';

export type AwsFault = 'throttled' | 'internal' | 'expired_token' | 'disabled' | 'skewed' | 'misnamed';

/** AWS KMS as its API reference has it, as far as one symmetric key needs it, with keys in memory. */
export interface AwsKmsServer extends FaultyServer<AwsFault> {
  region: string;
  credentials: Required<AwsCredentials>;
  /** @returns its ARN; `alias/<name>` means it too. */
  newKey(name: string): string;
  /** As an operator rotates: at once. */
  rotateNow(name: string): void;
  /** From now on a rotation asked for takes so long. */
  rotationMs: number;
  /** Has the clock of AWS differ from ours. */
  skewMs: number;
  /** What must be found in no log and no error. */
  secrets: string[];
}

interface Material {
  id: string;
  key: Buffer;
}

interface Key {
  arn: string;
  /** The last is current. */
  materials: Material[];
}

type Input = Record<string, unknown>;

const REGION = 'eu-central-1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** The limits of the API reference. */
const MOST_PLAIN_BYTES = 4096;
const MOST_BLOB_BYTES = 6144;

class AwsError extends Error {
  constructor(
    readonly type: string,
    message: string,
    readonly status = 400,
  ) {
    super(message);
  }
}

const FAULTS: Record<AwsFault, AwsError> = {
  throttled: new AwsError('ThrottlingException', 'Rate exceeded'),
  internal: new AwsError('KMSInternalException', 'An internal error occurred', 500),
  expired_token: new AwsError(
    'ExpiredTokenException',
    'The security token included in the request is expired',
  ),
  disabled: new AwsError('DisabledException', 'arn:aws:kms:eu-central-1:111122223333:key/x is disabled.'),
  skewed: new AwsError('InvalidSignatureException', 'Signature not yet current'),
  misnamed: new AwsError('Not a name: \u001b[31m', 'odd'),
};

export async function startAwsKms(): Promise<AwsKmsServer> {
  const keys = new Map<string, Key>();
  const credentials = {
    accessKeyId: `AKIA${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64'),
    sessionToken: randomBytes(60).toString('base64'),
  };

  const operations: Record<string, (input: Input) => object> = {
    Encrypt: (input) => {
      const key = find(input.KeyId);
      const plain = bytes(input.Plaintext, 'Plaintext', MOST_PLAIN_BYTES);
      return { KeyId: key.arn, CiphertextBlob: encrypt(key, plain, contextOf(input)) };
    },
    GenerateDataKey: (input) => {
      const key = find(input.KeyId);
      if (input.KeySpec !== 'AES_256') throw invalid('KeySpec');
      const plain = randomBytes(32);
      server.secrets.push(plain.toString('base64'));
      return {
        KeyId: key.arn,
        Plaintext: plain.toString('base64'),
        CiphertextBlob: encrypt(key, plain, contextOf(input)),
        KeyMaterialId: key.materials.at(-1)!.id,
      };
    },
    Decrypt: (input) => {
      const blob = bytes(input.CiphertextBlob, 'CiphertextBlob', MOST_BLOB_BYTES);
      const { key, material, sealed } = readBlob(blob);
      if (input.KeyId !== undefined && find(input.KeyId) !== key)
        throw new AwsError(
          'IncorrectKeyException',
          'The key ID in the request does not identify a CMK that can',
        );
      const plain = decrypt(material, sealed, contextOf(input));
      return { KeyId: key.arn, Plaintext: plain.toString('base64'), KeyMaterialId: material.id };
    },
    DescribeKey: (input) => {
      const key = find(input.KeyId);
      return {
        KeyMetadata: {
          Arn: key.arn,
          KeyId: key.arn.split('/')[1],
          Enabled: true,
          KeySpec: 'SYMMETRIC_DEFAULT',
          Origin: 'AWS_KMS',
          CurrentKeyMaterialId: key.materials.at(-1)!.id,
        },
      };
    },
    RotateKeyOnDemand: (input) => {
      if (String(input.KeyId).startsWith('alias/'))
        throw new AwsError('InvalidArnException', 'alias is not supported for this operation');
      const key = find(input.KeyId);
      if (rotating.has(key)) throw new AwsError('ConflictException', 'A rotation is in progress');
      if (server.rotationMs === 0) rotate(key);
      else {
        rotating.add(key);
        setTimeout(() => rotate(key), server.rotationMs).unref();
      }
      return { KeyId: key.arn };
    },
  };
  const rotating = new Set<Key>();
  const rotate = (key: Key): void => {
    rotating.delete(key);
    key.materials.push(newMaterial());
  };

  const find = (keyId: unknown): Key => {
    if (typeof keyId !== 'string' || keyId === '') throw invalid('KeyId');
    const key = keyId.startsWith('alias/')
      ? keys.get(keyId.slice(6))
      : [...keys.values()].find(({ arn }) => arn === keyId || arn.endsWith(`:key/${keyId}`));
    if (!key) throw new AwsError('NotFoundException', `Key '${keyId}' does not exist`);
    return key;
  };

  const readBlob = (blob: Buffer): { key: Key; material: Material; sealed: Buffer } => {
    const id = blob.subarray(0, 32).toString('hex');
    for (const key of keys.values()) {
      const material = key.materials.find((each) => each.id === id);
      if (material) return { key, material, sealed: blob.subarray(32) };
    }
    throw notOurs();
  };

  const answer = (request: Parameters<typeof signatureProblem>[0], body: Buffer): Reply => {
    try {
      const { method, url, headers } = request;
      if (method !== 'POST' || url !== '/') throw new AwsError('UnknownOperationException', '', 404);
      if (headers['content-type'] !== 'application/x-amz-json-1.1')
        throw new AwsError('UnknownOperationException', '', 404);
      const now = Date.now() + server.skewMs;
      const problem = signatureProblem(request, body, credentials, { region: REGION, service: 'kms', now });
      if (problem) throw new AwsError(problem, 'The request signature we calculated does not match');
      const [service, operation = ''] = String(headers['x-amz-target']).split('.');
      if (service !== 'TrentService' || !Object.hasOwn(operations, operation))
        throw new AwsError('UnknownOperationException', '');
      return { status: 200, body: operations[operation]!(parse(body)), headers: common() };
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      return refusal(error);
    }
  };
  const common = (): Record<string, string> => ({
    'content-type': 'application/x-amz-json-1.1',
    'x-amzn-requestid': randomUUID(),
    date: new Date(Date.now() + server.skewMs).toUTCString(),
  });
  const refusal = ({ type, message, status }: AwsError): Reply => ({
    status,
    body: { __type: type, message },
    headers: common(),
  });

  const http = await startFaultyServer<AwsFault>(
    ({ headers }) => String(headers['x-amz-target']).replace('TrentService.', ''),
    answer,
    (fault) => refusal(FAULTS[fault]),
  );
  const server: AwsKmsServer = Object.assign(http, {
    region: REGION,
    credentials,
    rotationMs: 0,
    skewMs: 0,
    secrets: Object.values(credentials).filter((text) => !text.startsWith('AKIA')),
    newKey: (name: string) => {
      const known = keys.get(name);
      if (known) return known.arn;
      const arn = `arn:aws:kms:${REGION}:111122223333:key/${randomUUID()}`;
      keys.set(name, { arn, materials: [newMaterial()] });
      return arn;
    },
    rotateNow: (name: string) => rotate(keys.get(name)!),
  });
  return server;
}

const newMaterial = (): Material => ({ id: randomBytes(32).toString('hex'), key: randomBytes(32) });

/** The real one's layout is nobody's business but that it names the key. */
function encrypt({ materials }: Key, plain: Buffer, context: Buffer): string {
  const { id, key } = materials.at(-1)!;
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(context);
  const sealed = [cipher.update(plain), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat([Buffer.from(id, 'hex'), nonce, ...sealed]).toString('base64');
}

function decrypt({ key }: Material, sealed: Buffer, context: Buffer): Buffer {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw notOurs();
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES))
    .setAAD(context)
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    throw notOurs();
  }
}

/** Pairs of texts, whose order does not count. */
function contextOf({ EncryptionContext: context = {} }: Input): Buffer {
  if (typeof context !== 'object' || context === null) throw invalid('EncryptionContext');
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.some(([name, value]) => name === '' || typeof value !== 'string' || value === ''))
    throw invalid('EncryptionContext');
  return Buffer.from(JSON.stringify(pairs));
}

function bytes(value: unknown, name: string, most: number): Buffer {
  const decoded = Buffer.from(typeof value === 'string' ? value : '', 'base64');
  if (decoded.length < 1 || decoded.length > most || decoded.toString('base64') !== value)
    throw invalid(name);
  return decoded;
}

function parse(body: Buffer): Input {
  try {
    const input: unknown = JSON.parse(body.toString());
    if (typeof input === 'object' && input !== null) return input as Input;
  } catch {
    // Told below.
  }
  throw new AwsError('SerializationException', '');
}

const invalid = (name: string): AwsError =>
  new AwsError('ValidationException', `1 validation error detected: Value at '${name}' failed to satisfy`);

const notOurs = (): AwsError => new AwsError('InvalidCiphertextException', '');
