import type { KMSClient } from '@aws-sdk/client-kms';
import { OnApplicationShutdown } from '@nestjs/common';
import { AppError } from '../../common/app-error';
import { Clock } from '../../common/clock';
import type { Config } from '../../config/config';
import { awsFailure } from './aws-failure';
import { DATA_KEY_BYTES, open, seal } from './envelope';
import { IntegrityError } from './integrity-error';
import { Kms, requireWrappable } from './kms';
import { MasterKeyVersion, PATIENCE, RotationPatience } from './master-key-version';
import { callRemote, RemoteFailure, unavailableBecause } from './remote-call';
import { packWrapped, unpackWrapped } from './wrapped-secret';

type Sdk = typeof import('@aws-sdk/client-kms');
type Settings = Pick<
  Config,
  'ENVIRONMENT' | 'KMS_MASTER_KEY_ID' | 'KMS_TIMEOUT_MS' | 'AWS_REGION' | 'AWS_ENDPOINT_URL_KMS'
>;

/** Keys in a custom key store have one key material for good, and no name for it. */
const ONLY_VERSION = '1';
/** The longest that `Decrypt` takes. */
const MOST_BLOB_BYTES = 6144;
const LENGTH_BYTES = 2;

/**
 * A symmetric key in AWS KMS. Versions are its key materials. A secret is encrypted here, with a data key that
 * `GenerateDataKey` makes for it: unlike `Encrypt` it tells under which key material, in the same answer, and AWS never
 * holds the secret. Needs kms:GenerateDataKey, kms:Decrypt, kms:DescribeKey; whoever rotates kms:RotateKeyOnDemand.
 */
export class AwsKms implements Kms, OnApplicationShutdown {
  readonly provider = 'aws';
  private readonly version: MasterKeyVersion;

  private constructor(
    private readonly sdk: Sdk,
    private readonly client: KMSClient,
    private readonly settings: Settings,
    clock: Clock,
    patience: RotationPatience,
  ) {
    this.version = new MasterKeyVersion(async () => (await this.describe()).version, clock, patience);
  }

  /** Loads the SDK, and asks AWS nothing. */
  static async open(settings: Settings, clock: Clock, patience = PATIENCE): Promise<AwsKms> {
    const sdk = await import('@aws-sdk/client-kms');
    const client = new sdk.KMSClient({
      region: settings.AWS_REGION || regionOf(settings.KMS_MASTER_KEY_ID),
      endpoint: settings.AWS_ENDPOINT_URL_KMS || undefined,
      // Tries are counted by `callRemote`, whose deadline they have to keep.
      maxAttempts: 1,
      requestHandler: {
        connectionTimeout: settings.KMS_TIMEOUT_MS,
        requestTimeout: settings.KMS_TIMEOUT_MS,
        throwOnRequestTimeout: true,
      },
    });
    if (settings.ENVIRONMENT !== 'development') requireTls(client);
    return new AwsKms(sdk, client, settings, clock, patience);
  }

  onApplicationShutdown(): void {
    this.client.destroy();
  }

  async wrap(secret: Uint8Array, context: string): Promise<Buffer> {
    requireWrappable(secret);
    const answer = await this.ask(({ GenerateDataKeyCommand }, options) =>
      this.client.send(
        new GenerateDataKeyCommand({
          KeyId: this.settings.KMS_MASTER_KEY_ID,
          KeySpec: 'AES_256',
          EncryptionContext: encryptionContext(context),
        }),
        options,
      ),
    );
    const { Plaintext: dataKey, CiphertextBlob: blob, KeyMaterialId: version = ONLY_VERSION } = answer;
    try {
      if (dataKey?.length !== DATA_KEY_BYTES || !blob?.length) throw notUnderstood();
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt16BE(blob.length);
      const body = Buffer.concat([length, blob, seal(dataKey, secret, place(version, context))]);
      this.version.seen(version);
      return packWrapped({ version, body });
    } finally {
      dataKey?.fill(0);
    }
  }

  async unwrap(wrapped: Uint8Array, context: string): Promise<Buffer> {
    const { version, body } = unpackWrapped(wrapped);
    const end = LENGTH_BYTES + (body.length >= LENGTH_BYTES ? body.readUInt16BE() : 0);
    const blob = body.subarray(LENGTH_BYTES, end);
    if (blob.length === 0 || blob.length > MOST_BLOB_BYTES || body.length <= end)
      throw new IntegrityError('the wrapped secret');
    const { Plaintext: dataKey } = await this.ask(({ DecryptCommand }, options) =>
      this.client.send(
        new DecryptCommand({
          KeyId: this.settings.KMS_MASTER_KEY_ID,
          CiphertextBlob: blob,
          EncryptionContext: encryptionContext(context),
        }),
        options,
      ),
    );
    try {
      if (dataKey?.length !== DATA_KEY_BYTES) throw notUnderstood();
      return open(dataKey, body.subarray(end), place(version, context));
    } finally {
      dataKey?.fill(0);
    }
  }

  async currentVersion(): Promise<string> {
    return this.version.current();
  }

  /** AWS rotates after it answered, and at most 25 times a key on demand. */
  async rotate(): Promise<string> {
    // Unlike the others, this one takes no alias.
    const { arn } = await this.describe();
    return this.version.advance(() =>
      this.ask(
        ({ RotateKeyOnDemandCommand }, options) =>
          this.client.send(new RotateKeyOnDemandCommand({ KeyId: arn }), options),
        false,
      ).catch((error: unknown) => {
        // Somebody's rotation is under way: it is waited for as if it were ours.
        if (!isConflict(error)) throw error;
      }),
    );
  }

  private async describe(): Promise<{ arn: string; version: string }> {
    const { KeyMetadata: key } = await this.ask(({ DescribeKeyCommand }, options) =>
      this.client.send(new DescribeKeyCommand({ KeyId: this.settings.KMS_MASTER_KEY_ID }), options),
    );
    if (!key?.Arn) throw notUnderstood();
    return { arn: key.Arn, version: key.CurrentKeyMaterialId ?? ONLY_VERSION };
  }

  private ask<T>(
    question: (sdk: Sdk, options: { abortSignal: AbortSignal }) => Promise<T>,
    repeatable = true,
  ): Promise<T> {
    const call = { name: 'AWS KMS', milliseconds: this.settings.KMS_TIMEOUT_MS, repeatable };
    return callRemote(call, (abortSignal) =>
      question(this.sdk, { abortSignal }).catch((error: unknown) => {
        throw awsFailure(error);
      }),
    );
  }
}

/** The SDK takes an address from places of its own too: AWS_ENDPOINT_URL, and the shared configuration file. */
function requireTls(client: KMSClient): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { protocol } = args.request as { protocol?: unknown };
      if (protocol === 'https:') return next(args);
      throw new RemoteFailure('AWS KMS: its address is not https, see AWS_ENDPOINT_URL', { passing: false });
    },
    { step: 'build', name: 'requireTls' },
  );
}

/** Shown in CloudTrail, and fit for conditions of a key policy. Never empty, which AWS may refuse. */
const encryptionContext = (context: string): Record<string, string> => ({
  purpose: `user-service/${context}`,
});

/** Binds the version too, or whoever writes to the database could pass an old secret for a new one. */
const place = (version: string, context: string): string => JSON.stringify([version, context]);

const regionOf = (keyId: string): string | undefined => /^arn:[\w-]+:kms:([\w-]+):/.exec(keyId)?.[1];

const notUnderstood = (): AppError =>
  unavailableBecause(new RemoteFailure('AWS KMS answered what cannot be understood', { passing: false }));

function isConflict(error: unknown): boolean {
  const cause = error instanceof AppError ? error.cause : undefined;
  return cause instanceof RemoteFailure && cause.details.code === 'ConflictException';
}
