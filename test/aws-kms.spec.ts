import { Clock } from '../src/common/clock';
import { loadConfig } from '../src/config/config';
import { AwsKms } from '../src/infra/kms/aws-kms';
import { IntegrityError } from '../src/infra/kms/integrity-error';
import { unpackWrapped } from '../src/infra/kms/wrapped-secret';
import { AwsFault, AwsKmsServer, startAwsKms } from './support/aws-kms-server';
import { SLOW_MS, Trouble } from './support/faulty-server';
import { expectUnavailable } from './support/kms-failures';
import { awsSettings, openAws, provideCredentials, RemoteOptions } from './support/remote-kms';

const CONTEXT = 'trading-account:0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';
const SECRET = Buffer.from('a data key of thirty-two bytes!!');
const TIMEOUT_MS = 700;
const PATIENT: RemoteOptions = { settings: { KMS_TIMEOUT_MS: '10000' } };

let aws: AwsKmsServer;
let kms: AwsKms;
/** For what must succeed however busy the machine is. */
let patient: AwsKms;
let wrapped: Buffer;

const open = (name = 'one', more: RemoteOptions = {}): Promise<AwsKms> =>
  openAws(aws, name, { settings: { KMS_TIMEOUT_MS: String(TIMEOUT_MS) }, ...more });

beforeAll(async () => {
  process.env.AWS_EC2_METADATA_DISABLED = 'true';
  aws = await startAwsKms();
});
beforeEach(async () => {
  aws.heal();
  provideCredentials(aws);
  kms = await open();
  patient = await open('one', PATIENT);
  wrapped = await patient.wrap(SECRET, CONTEXT);
  aws.asked.length = 0;
});
afterEach(() => [kms, patient].forEach((each) => each.onApplicationShutdown()));
afterAll(() => aws.stop());

const expectFailure = (asked: Promise<unknown>, cause: RegExp): Promise<number> =>
  expectUnavailable(asked, cause, {
    milliseconds: TIMEOUT_MS,
    secrets: [...aws.secrets, SECRET.toString(), SECRET.toString('base64'), wrapped.toString('base64')],
  });

describe('AwsKms, when AWS is in trouble', () => {
  it.each<[AwsFault | Trouble, RegExp]>([
    ['throttled', /^AWS KMS answered 400 ThrottlingException, request [\w-]{36}$/],
    ['internal', /^AWS KMS answered 500 KMSInternalException, request [\w-]{36}$/],
    ['expired_token', /^AWS KMS answered 400 ExpiredTokenException, request [\w-]{36}$/],
    ['disabled', /^AWS KMS answered 400 DisabledException, request [\w-]{36}$/],
    ['misnamed', /^AWS KMS answered 400 UnknownError, request [\w-]{36}$/],
    ['html', /^AWS KMS answered 502 /],
    ['redirect', /^AWS KMS answered 307 /],
    ['rubbish', /^AWS KMS/],
    ['empty', /^AWS KMS answered what cannot be understood$/],
    ['disconnect', /^AWS KMS: .*(ECONNRESET|socket hang up)/],
    ['hang', /^AWS KMS took longer than 700 ms$/],
    ['endless', /^AWS KMS took longer than 700 ms$/],
  ])('is unavailable in time and says why: %s', async (fault, cause) => {
    aws.fail(fault);
    const asking = fault === 'hang' || fault === 'endless' ? kms : patient;
    const asked = [
      asking.unwrap(wrapped, CONTEXT),
      asking.wrap(SECRET, CONTEXT),
      asking.currentVersion(),
      asking.rotate(),
    ];
    await Promise.all(asked.map((each) => expectFailure(each, cause)));
    expect(aws.asked).not.toContain('undefined');
    aws.heal();
    expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
  });

  it('is unavailable while nothing listens there, and works once it does', async () => {
    await aws.down();
    await expectFailure(patient.unwrap(wrapped, CONTEXT), /ECONNREFUSED/).finally(() => aws.up());
    expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
  });

  it('waits for an answer that is slow, as long as it is in time', async () => {
    aws.fail('slow');
    const begin = performance.now();
    expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
    expect(performance.now() - begin).toBeGreaterThan(SLOW_MS - 5);
  });

  it.each<AwsFault | Trouble>(['throttled', 'internal', 'disconnect', 'html'])(
    'tries again a few times: %s',
    async (fault) => {
      aws.fail(fault, 2);
      expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
      expect(aws.asked).toEqual(['Decrypt', 'Decrypt', 'Decrypt']);
    },
  );

  it('asks four times at most, and later each time', async () => {
    aws.fail('throttled');
    const begin = performance.now();
    await expect(patient.unwrap(wrapped, CONTEXT)).rejects.toMatchObject({
      code: 'unavailable',
      retryAfter: 2,
    });
    expect(aws.asked).toEqual(['Decrypt', 'Decrypt', 'Decrypt', 'Decrypt']);
    // A quarter of 100, 200 and 400 ms, and up to all of them.
    expect(performance.now() - begin).toBeGreaterThan(170);
  });

  it.each<AwsFault>(['expired_token', 'disabled', 'misnamed'])(
    'does not repeat what time will not heal: %s',
    async (fault) => {
      aws.fail(fault);
      await expectFailure(patient.unwrap(wrapped, CONTEXT), /400/);
      expect(aws.asked).toEqual(['Decrypt']);
    },
  );

  it('is unavailable without good credentials, and shows none', async () => {
    process.env.AWS_SECRET_ACCESS_KEY = 'x'.repeat(40);
    const other = await open('one', PATIENT);
    await expectFailure(other.unwrap(wrapped, CONTEXT), /InvalidSignatureException/);
    process.env.AWS_ACCESS_KEY_ID = 'AKIAXXXXXXXXXXXXXXXX';
    const another = await open('one', PATIENT);
    await expectFailure(another.unwrap(wrapped, CONTEXT), /UnrecognizedClientException/);
  });

  it('is unavailable where there are no credentials at all', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'])
      delete process.env[name];
    process.env.AWS_SHARED_CREDENTIALS_FILE = process.env.AWS_CONFIG_FILE = '/nowhere/credentials';
    await expectFailure(
      (await open('one', PATIENT)).unwrap(wrapped, CONTEXT),
      /^AWS KMS: CredentialsProviderError/,
    );
  });

  it('sends nothing in the clear outside development, whoever has named the address', async () => {
    const settings = loadConfig({ ...awsSettings(aws, 'one'), AWS_ENDPOINT_URL_KMS: '' });
    const nowhere = { ...settings, KMS_TIMEOUT_MS: 10_000, ENVIRONMENT: 'production' as const };
    for (const name of ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_KMS']) {
      process.env[name] = aws.url;
      try {
        const inDevelopment = await AwsKms.open({ ...nowhere, ENVIRONMENT: 'development' }, new Clock());
        expect(await inDevelopment.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
        aws.asked.length = 0;
        const exposed = await AwsKms.open(nowhere, new Clock());
        for (const asked of [exposed.unwrap(wrapped, CONTEXT), exposed.wrap(SECRET, CONTEXT)])
          await expectFailure(asked, /^AWS KMS: its address is not https, see AWS_ENDPOINT_URL$/);
        expect(aws.asked).toEqual([]);
        for (const each of [inDevelopment, exposed]) each.onApplicationShutdown();
      } finally {
        delete process.env[name];
      }
    }
  });

  it('signs by the clock of AWS where ours is wrong', async () => {
    aws.skewMs = 20 * 60_000;
    try {
      expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
      expect(aws.asked).toEqual(['Decrypt', 'Decrypt']);
    } finally {
      aws.skewMs = 0;
    }
  });

  it('tells damage from trouble', async () => {
    await expect(patient.unwrap(wrapped, 'trading-account:another')).rejects.toThrow(IntegrityError);
    expect(aws.asked).toEqual(['Decrypt']);
    aws.fail('throttled');
    await expectFailure(patient.unwrap(wrapped, 'trading-account:another'), /Throttling/);
  });
});

describe('The version of a key in AWS KMS', () => {
  it('is asked for once a minute', async () => {
    const clock = new Clock();
    const [now, version] = [Date.now(), await patient.currentVersion()];
    const asking = await open('one', { ...PATIENT, clock });
    aws.asked.length = 0;
    clock.now = () => now;
    for (let i = 0; i < 20; i++) expect(await asking.currentVersion()).toBe(version);
    expect(aws.asked).toEqual(['DescribeKey']);
    clock.now = () => now + 61_000;
    await asking.currentVersion();
    expect(aws.asked).toEqual(['DescribeKey', 'DescribeKey']);
  });

  it('is the key material that AWS names, and changes with a rotation that we did not make', async () => {
    const version = await patient.currentVersion();
    expect(version).toMatch(/^[0-9a-f]{64}$/);
    aws.rotateNow('one');
    const next = unpackWrapped(await patient.wrap(SECRET, CONTEXT)).version;
    expect(next).not.toBe(version);
    expect(await patient.currentVersion()).toBe(next);
    expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
  });

  it('is the next one only when AWS has rotated, which it does after it answered', async () => {
    aws.rotationMs = 300;
    try {
      const before = await patient.currentVersion();
      const version = await patient.rotate();
      expect(version).not.toBe(before);
      expect(unpackWrapped(await patient.wrap(SECRET, CONTEXT)).version).toBe(version);
      expect(aws.asked.filter((name) => name === 'RotateKeyOnDemand')).toHaveLength(1);
    } finally {
      aws.rotationMs = 0;
    }
  });

  it('is one for two who rotate at the same time', async () => {
    aws.rotationMs = 300;
    try {
      const other = await open('one', PATIENT);
      const [one, two] = await Promise.all([patient.rotate(), other.rotate()]);
      expect(one).toBe(two);
    } finally {
      aws.rotationMs = 0;
    }
  });

  it('is told to come later where AWS takes too long', async () => {
    aws.rotationMs = 600;
    try {
      const hasty = await open('hasty', { ...PATIENT, patience: { rotationMs: 100, pollMs: 20 } });
      const before = await hasty.currentVersion();
      await expectFailure(hasty.rotate(), /has begun and is not done/);
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect(unpackWrapped(await hasty.wrap(SECRET, CONTEXT)).version).not.toBe(before);
    } finally {
      aws.rotationMs = 0;
    }
  });

  it('is never rotated twice because an answer was lost', async () => {
    aws.fail('disconnect', 1, /RotateKeyOnDemand/);
    await expectFailure(patient.rotate(), /ECONNRESET|socket hang up/);
    expect(aws.asked.filter((name) => name === 'RotateKeyOnDemand')).toHaveLength(1);
  });
});
