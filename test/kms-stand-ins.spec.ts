/** What the KMS tests stand on: the stand-ins refuse whatever the real ones would. */
import { DecryptCommand, EncryptCommand, GenerateDataKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { randomBytes } from 'node:crypto';
import { AwsKmsServer, startAwsKms } from './support/aws-kms-server';
import { startVault, VaultServer } from './support/vault-server';

describe('The stand-in for AWS KMS', () => {
  const KeyId = 'alias/one';
  let aws: AwsKmsServer;
  let client: KMSClient;
  beforeAll(async () => {
    aws = await startAwsKms();
    aws.newKey('one');
    aws.newKey('two');
    client = connect();
  });
  afterAll(async () => {
    client.destroy();
    await aws.stop();
  });

  const connect = (more: object = {}, region = aws.region): KMSClient =>
    new KMSClient({
      region,
      endpoint: aws.url,
      maxAttempts: 1,
      credentials: { ...aws.credentials, ...more },
    });

  const code = (sent: Promise<unknown>): Promise<string> =>
    sent.then(
      () => 'answered',
      (error: Error) => error.name,
    );

  /** A signed request on its way, to be changed as somebody in between would. */
  const changed = async (change: (request: { headers: Record<string, string>; body: string }) => void) => {
    const changing = connect();
    changing.middlewareStack.add(
      (next) => async (args) => {
        change(args.request as { headers: Record<string, string>; body: string });
        return next(args);
      },
      // After the signature.
      { step: 'finalizeRequest', priority: 'low', name: 'change' },
    );
    return code(changing.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })));
  };

  it('answers what is signed', async () => {
    expect(await code(client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })))).toBe(
      'answered',
    );
    expect(await changed(() => {})).toBe('answered');
  });

  it('refuses another key, another secret, another session and another region', async () => {
    const ask = (other: KMSClient): Promise<string> =>
      code(other.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })));
    expect(await ask(connect({ accessKeyId: 'AKIAXXXXXXXXXXXXXXXX' }))).toBe('UnrecognizedClientException');
    expect(await ask(connect({ secretAccessKey: 'x' }))).toBe('InvalidSignatureException');
    expect(await ask(connect({ sessionToken: 'x' }))).toBe('UnrecognizedClientException');
    expect(await ask(connect({ sessionToken: undefined }))).toBe('UnrecognizedClientException');
    expect(await ask(connect({}, 'us-east-1'))).toBe('InvalidSignatureException');
  });

  it('refuses what was changed after it was signed', async () => {
    expect(
      await changed((request) => {
        request.body = JSON.stringify({ KeyId: 'alias/two', KeySpec: 'AES_256' });
      }),
    ).toBe('InvalidSignatureException');
    expect(
      await changed(({ headers }) => {
        headers['x-amz-target'] = 'TrentService.DescribeKey';
      }),
    ).toBe('InvalidSignatureException');
    expect(
      await changed(({ headers }) => {
        headers.authorization = headers.authorization!.replace(/content-type;/, '');
      }),
    ).toBe('IncompleteSignatureException');
    expect(
      await changed(({ headers }) => {
        headers.authorization = 'Bearer x';
      }),
    ).toBe('IncompleteSignatureException');
    expect(
      await changed(({ headers }) => {
        delete headers.authorization;
      }),
    ).toBe('MissingAuthenticationTokenException');
  });

  it('refuses what was signed at another time', async () => {
    aws.skewMs = 6 * 60_000;
    expect(await code(connect().send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })))).toBe(
      'InvalidSignatureException',
    );
    aws.skewMs = 0;
  });

  it('keeps the limits and the rules of the API', async () => {
    const encrypt = (Plaintext: Uint8Array, EncryptionContext?: Record<string, string>) =>
      code(client.send(new EncryptCommand({ KeyId, Plaintext, EncryptionContext })));
    expect(await encrypt(randomBytes(4096))).toBe('answered');
    expect(await encrypt(randomBytes(4097))).toBe('ValidationException');
    expect(await encrypt(Buffer.alloc(0))).toBe('ValidationException');
    expect(await encrypt(randomBytes(1), { purpose: '' })).toBe('ValidationException');
    const decrypt = (more: object) =>
      code(client.send(new DecryptCommand({ CiphertextBlob: randomBytes(99), ...more })));
    expect(await decrypt({})).toBe('InvalidCiphertextException');
    expect(await decrypt({ CiphertextBlob: randomBytes(6145) })).toBe('ValidationException');
    expect(await decrypt({ KeyId: 'alias/none' })).toBe('InvalidCiphertextException');
    const { CiphertextBlob } = await client.send(
      new EncryptCommand({ KeyId, Plaintext: randomBytes(8), EncryptionContext: { a: '1', b: '2' } }),
    );
    expect(await decrypt({ CiphertextBlob, EncryptionContext: { b: '2', a: '1' } })).toBe('answered');
    expect(await decrypt({ CiphertextBlob, EncryptionContext: { a: '1' } })).toBe(
      'InvalidCiphertextException',
    );
    expect(await decrypt({ CiphertextBlob, KeyId: 'alias/two', EncryptionContext: { a: '1', b: '2' } })).toBe(
      'IncorrectKeyException',
    );
    expect(await decrypt({ CiphertextBlob, KeyId: 'alias/none' })).toBe('NotFoundException');
  });
});

describe('The stand-in for Vault', () => {
  let vault: VaultServer;
  beforeAll(async () => {
    vault = await startVault();
    vault.newKey('one');
  });
  afterAll(() => vault.stop());

  const ask = async (
    path: string,
    body?: object,
    { token = vault.newToken(), namespace = vault.namespace, type = 'application/json' } = {},
  ): Promise<[status: number, answer: string]> => {
    const reply = await fetch(`${vault.url}/v1/${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { 'X-Vault-Token': token, 'X-Vault-Namespace': namespace, 'Content-Type': type },
      body: body && JSON.stringify(body),
    });
    return [reply.status, await reply.text()];
  };
  const at = (operation: string, name = 'one'): string => `${vault.mount}/${operation}/${name}`;
  const plaintext = Buffer.from('x').toString('base64');

  it('refuses another token, one that has ended, and another namespace', async () => {
    expect(await ask(at('encrypt'), { plaintext })).toEqual([200, expect.stringContaining('vault:v1:')]);
    const denied = [403, expect.stringContaining('permission denied')];
    expect(await ask(at('encrypt'), { plaintext }, { token: 'hvs.x' })).toEqual(denied);
    expect(await ask(at('encrypt'), { plaintext }, { token: vault.newToken(0) })).toEqual(denied);
    expect(await ask(at('encrypt'), { plaintext }, { namespace: 'other' })).toEqual(denied);
  });

  it('refuses another mount, another method and another key', async () => {
    expect((await ask('transit/encrypt/one', { plaintext }))[0]).toBe(404);
    expect((await ask(at('encrypt')))[0]).toBe(404);
    expect((await ask(at('keys'), {}))[0]).toBe(404);
    expect((await ask(at('keys', 'none')))[0]).toBe(404);
    expect(await ask(at('encrypt', 'none'), { plaintext })).toEqual([
      400,
      expect.stringContaining('encryption key not found'),
    ]);
  });

  it('refuses what is not base64, not JSON, or not there', async () => {
    expect(await ask(at('encrypt'), {})).toEqual([400, expect.stringContaining('missing plaintext')]);
    for (const body of [{ plaintext: 'x' }, { plaintext: 5 }, { plaintext, associated_data: '%' }]) {
      expect(await ask(at('encrypt'), body)).toEqual([400, expect.stringContaining('base64')]);
    }
    expect(await ask(at('encrypt'), { plaintext }, { type: 'text/plain' })).toEqual([
      400,
      expect.stringContaining('JSON'),
    ]);
  });

  it.each([
    ['', 'missing ciphertext'],
    ['x', 'invalid ciphertext: no prefix'],
    ['vault:v1', 'invalid ciphertext: wrong number of fields'],
    ['vault:vx:AAAA', 'invalid ciphertext: version number'],
    ['vault:v99:AAAA', 'invalid ciphertext: version is too new'],
    ['vault:v1:%', 'invalid ciphertext: could not decode base64'],
    ['vault:v1:AAAA', 'invalid ciphertext length'],
    [`vault:v1:${'A'.repeat(60)}`, 'cipher: message authentication failed'],
  ])('tells what is wrong with the ciphertext %j', async (ciphertext, said) => {
    expect(await ask(at('decrypt'), { ciphertext })).toEqual([400, expect.stringContaining(said)]);
  });

  it('renews a token that is renewable', async () => {
    const token = vault.newToken(100);
    const [status, answer] = await ask('auth/token/renew-self', {}, { token });
    expect([status, JSON.parse(answer).auth]).toEqual([
      200,
      { client_token: token, lease_duration: 100, renewable: true },
    ]);
    expect((await ask('auth/token/renew-self', {}))[0]).toBe(400);
  });
});
