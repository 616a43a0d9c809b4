import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareDevelopment } from '../src/boot/prepare';
import { ConfigError, loadConfig } from '../src/config/config';
import { createTestDatabase } from './support/database';

const AWS = { KMS_PROVIDER: 'aws', KMS_MASTER_KEY_ID: 'alias/user-service', AWS_REGION: 'eu-central-1' };
const VAULT = {
  KMS_PROVIDER: 'vault',
  KMS_MASTER_KEY_ID: 'user-service',
  VAULT_ADDR: 'http://127.0.0.1:8200',
  VAULT_TOKEN: 'hvs.x',
};

describe('The configuration of a KMS elsewhere', () => {
  it.each([
    ['aws', AWS],
    ['vault', VAULT],
  ])('is complete for %s without any file of keys', (_provider, settings) => {
    expect(loadConfig({ ...settings, LOCAL_KMS_KEY_PATH: '/nowhere/master.key' })).toMatchObject(settings);
  });

  it.each([
    ['KMS_MASTER_KEY_ID', AWS, { KMS_MASTER_KEY_ID: '' }],
    ['KMS_MASTER_KEY_ID', AWS, { KMS_MASTER_KEY_ID: 'keys/master.key' }],
    ['AWS_REGION', AWS, { AWS_REGION: '' }],
    ['AWS_REGION', AWS, { AWS_REGION: 'eu-central-1.evil.example' }],
    ['AWS_REGION', AWS, { AWS_REGION: '', KMS_MASTER_KEY_ID: '1234abcd-12ab-34cd-56ef-1234567890ab' }],
    ['AWS_ENDPOINT_URL_KMS', AWS, { AWS_ENDPOINT_URL_KMS: 'ftp://kms.internal' }],
    ['AWS_ENDPOINT_URL_KMS', AWS, { AWS_ENDPOINT_URL_KMS: 'https://a:b@kms.internal' }],
    ['KMS_MASTER_KEY_ID', VAULT, { KMS_MASTER_KEY_ID: '' }],
    ['KMS_MASTER_KEY_ID', VAULT, { KMS_MASTER_KEY_ID: '../sys/seal' }],
    ['KMS_MASTER_KEY_ID', VAULT, { KMS_MASTER_KEY_ID: 'a/b' }],
    ['VAULT_ADDR', VAULT, { VAULT_ADDR: '' }],
    ['VAULT_ADDR', VAULT, { VAULT_ADDR: 'https://vault.internal/?x' }],
    ['VAULT_TOKEN', VAULT, { VAULT_TOKEN: '' }],
    ['VAULT_TOKEN', VAULT, { VAULT_TOKEN_FILE: '/run/token' }],
    ['VAULT_NAMESPACE', VAULT, { VAULT_NAMESPACE: 'a\nX-Other: b' }],
    ['VAULT_TRANSIT_MOUNT', VAULT, { VAULT_TRANSIT_MOUNT: '../sys' }],
    ['VAULT_TRANSIT_MOUNT', VAULT, { VAULT_TRANSIT_MOUNT: 'a//b' }],
    ['VAULT_TRANSIT_MOUNT', VAULT, { VAULT_TRANSIT_MOUNT: 'transit?x' }],
  ])('is refused for %s, of %j with %j', (name, good, bad) => {
    expect(problemsOf({ ...good, ...bad })).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
  });

  it('takes the region out of an ARN', () => {
    const arn = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
    expect(problemsOf({ ...AWS, AWS_REGION: '', KMS_MASTER_KEY_ID: arn })).toEqual([]);
    expect(problemsOf({ ...AWS, AWS_REGION: '', KMS_MASTER_KEY_ID: arn.replace('key/', 'alias/') })).toEqual(
      [],
    );
  });

  it('takes mounts and namespaces of several parts, and a token in a file', () => {
    const more = { VAULT_NAMESPACE: 'trading/users/', VAULT_TRANSIT_MOUNT: 'crypto/transit' };
    expect(problemsOf({ ...VAULT, ...more, VAULT_TOKEN: '', VAULT_TOKEN_FILE: '/run/token' })).toEqual([]);
  });

  it('counts for the provider in use alone', () => {
    expect(problemsOf({ ...AWS, VAULT_TRANSIT_MOUNT: '..' })).toEqual([]);
    expect(problemsOf({ ...VAULT, AWS_REGION: '..' })).toEqual([]);
    expect(problemsOf({ KMS_PROVIDER: 'local', VAULT_TRANSIT_MOUNT: '..', AWS_REGION: '..' })).toEqual([]);
  });

  it.each(['production', 'staging'])('must be over TLS in %s, and needs no key file there', (ENVIRONMENT) => {
    const elsewhere = {
      ENVIRONMENT,
      DATABASE_URL: 'postgresql://user_service:Zq7-hT2-long@db.internal:5432/user_service',
      REDIS_URL: 'rediss://:x@redis.internal:6379/0',
      PUBLIC_URL: 'https://id.example.org',
      JWT_ISSUER: 'https://id.example.org',
      SMTP_HOST: 'smtp.example.org',
      SMTP_FROM: 'noreply@id.example.org',
      CORS_ALLOWED_ORIGINS: 'https://app.example.org',
      LOCAL_KMS_KEY_PATH: '/nowhere/master.key',
    };
    expect(problemsOf({ ...elsewhere, ...AWS })).toEqual([]);
    expect(problemsOf({ ...elsewhere, ...AWS, AWS_ENDPOINT_URL_KMS: 'https://kms.internal' })).toEqual([]);
    expect(problemsOf({ ...elsewhere, ...AWS, AWS_ENDPOINT_URL_KMS: 'http://kms.internal' })).toEqual([
      expect.stringMatching(/^AWS_ENDPOINT_URL_KMS: /),
    ]);
    expect(problemsOf({ ...elsewhere, ...VAULT, VAULT_ADDR: 'https://vault.internal:8200' })).toEqual([]);
    expect(problemsOf({ ...elsewhere, ...VAULT })).toEqual([expect.stringMatching(/^VAULT_ADDR: /)]);
  });

  it('shows no token in what it says', () => {
    const problems = problemsOf({
      ...VAULT,
      VAULT_TOKEN: 'hvs.secret',
      VAULT_TOKEN_FILE: 'x',
      VAULT_ADDR: '',
    });
    expect(problems).toHaveLength(2);
    expect(problems.join()).not.toContain('hvs.secret');
  });
});

describe('A development start', () => {
  it.each([AWS, VAULT])('makes no key file for %j', async (settings) => {
    const folder = mkdtempSync(join(tmpdir(), 'user-service-no-key-'));
    const stores = await createTestDatabase();
    jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      const path = join(folder, 'keys', 'master.key');
      const place = { DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl };
      await prepareDevelopment(loadConfig({ ...settings, ...place, LOCAL_KMS_KEY_PATH: path }));
      expect(existsSync(path)).toBe(false);
    } finally {
      jest.restoreAllMocks();
      await stores.drop();
      rmSync(folder, { recursive: true });
    }
  });
});

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
