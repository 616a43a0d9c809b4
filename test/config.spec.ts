import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { version } from '../package.json';
import { Config, ConfigError, loadConfig } from '../src/config/config';
import { envExample } from '../src/config/env-example';
import { variables } from '../src/config/variables';
import { DEVELOPMENT_KEY_MARK } from '../src/config/weaknesses';

/** The settings of the specification, with its defaults. */
const SPECIFIED = `
APP_NAME=user_service
VERSION=1.0.0
ENVIRONMENT=development
DEBUG=false
DATABASE_URL=postgresql://user:pass@localhost:5432/user_service
DATABASE_POOL_SIZE=20
DATABASE_MAX_OVERFLOW=10
DATABASE_POOL_TIMEOUT=30
REDIS_URL=redis://localhost:6379/0
REDIS_POOL_SIZE=50
REDIS_SESSION_TTL_DAYS=90
REDIS_SESSION_INACTIVITY_DAYS=14
JWT_SIGNING_KEY_ID=key-001
JWT_ACCESS_TOKEN_TTL_MINUTES=15
JWT_REFRESH_TOKEN_TTL_DAYS=90
JWT_ALGORITHM=RS256
JWT_ISSUER=user_service
JWT_AUDIENCE=trading_platform
KMS_PROVIDER=local
KMS_MASTER_KEY_ID=/app/keys/master.key
LOCAL_KMS_KEY_PATH=/app/keys/master.key
GOOGLE_OAUTH_CLIENT_ID=your_client_id.apps.googleusercontent.com
GOOGLE_OAUTH_CLIENT_SECRET=your_client_secret
GOOGLE_OAUTH_REDIRECT_URI=http://localhost:8001/v1/auth/oauth/google/callback
SMTP_HOST=smtp.gmail.com
SMTP_PORT=587
SMTP_USERNAME=noreply@example.com
SMTP_PASSWORD=app_password
SMTP_FROM=noreply@example.com
SMTP_TLS=true
RATELIMIT_LOGIN_ATTEMPTS=5
RATELIMIT_LOGIN_WINDOW_MINUTES=15
RATELIMIT_REGISTER_ATTEMPTS=5
RATELIMIT_REGISTER_WINDOW_HOURS=1
RATELIMIT_REFRESH_ATTEMPTS=10
RATELIMIT_REFRESH_WINDOW_MINUTES=1
PASSWORD_MIN_LENGTH=12
PASSWORD_BCRYPT_COST=12
PASSWORD_RESET_TOKEN_TTL_MINUTES=30
MFA_TOTP_WINDOW_SECONDS=30
SESSION_COOKIE_NAME=__Secure-refresh_token
SESSION_COOKIE_SECURE=true
SESSION_COOKIE_HTTPONLY=true
SESSION_COOKIE_SAMESITE=strict
CORS_ALLOWED_ORIGINS=http://localhost:3000,http://localhost:5173
CORS_ALLOW_CREDENTIALS=true
LOG_LEVEL=INFO
LOG_FORMAT=json
SENTRY_DSN=
FEATURE_GOOGLE_OAUTH=true
FEATURE_MFA_TOTP=true
FEATURE_SHARED_ACCOUNTS=true
KITE_API_BASE_URL=https://api.kite.trade
KITE_API_TIMEOUT_SECONDS=10
KITE_API_MAX_RETRIES=3
TICKER_SERVICE_URL=http://ticker_service:8002
ALERT_SERVICE_URL=http://alert_service:8003
BACKEND_SERVICE_URL=http://backend:8000
`;

/** Where the default is another one, and why. */
const OTHERWISE: Record<string, [value: string, why: string]> = {
  VERSION: [version, 'that of package.json'],
  DATABASE_URL: ['', 'a placeholder there; without it development starts a PostgreSQL of its own'],
  REDIS_URL: ['', 'likewise'],
  DATABASE_POOL_TIMEOUT: ['1', 'a dead database must be answered with 503 within 2 s'],
  JWT_ISSUER: ['', 'gateways want a URL: it follows PUBLIC_URL'],
  KMS_MASTER_KEY_ID: ['keys/master.key', 'below the folder of the service, wherever that is'],
  LOCAL_KMS_KEY_PATH: ['keys/master.key', 'likewise'],
  GOOGLE_OAUTH_CLIENT_ID: ['', 'a placeholder there'],
  GOOGLE_OAUTH_CLIENT_SECRET: ['', 'a placeholder there'],
  SMTP_HOST: ['', 'a placeholder there; without it development keeps mail in its mailbox'],
  SMTP_USERNAME: ['', 'a placeholder there'],
  SMTP_PASSWORD: ['', 'a placeholder there'],
  KITE_API_BASE_URL: ['', 'it is that, but for development, which starts a sandbox'],
};

describe('.env.example', () => {
  it('is as the schema says (write it with `npm run docs`)', () => {
    expect(readFileSync(join(__dirname, '../.env.example'), 'utf8')).toBe(envExample());
  });

  it('shows every setting of the specification with its default, but for the exceptions', () => {
    const specified = Object.fromEntries(
      SPECIFIED.trim()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    const expected = Object.entries(specified).map(
      ([name, value]) => `${name}=${OTHERWISE[name]?.[0] ?? value}`,
    );
    const lines = envExample().split('\n');
    expect(expected.filter((line) => !lines.includes(line))).toEqual([]);
    expect(Object.keys(OTHERWISE).filter((name) => specified[name] === OTHERWISE[name]![0])).toEqual([]);
  });

  it('means the same as an empty environment', () => {
    const example = Object.fromEntries(
      envExample()
        .split('\n')
        .filter((line) => /^[A-Z]/.test(line))
        .map((line) => line.split(/=(.*)/s) as [string, string]),
    );
    expect(Object.keys(example)).toEqual(Object.keys(variables));
    expect(loadConfig(example)).toEqual(loadConfig({}));
  });
});

describe('loadConfig', () => {
  it('reads flags, numbers, lists and URLs', () => {
    const config = loadConfig({
      DEBUG: '1',
      PORT: '9000',
      JWT_AUDIENCE: ' one, two ,,',
      PUBLIC_URL: 'https://id.example.org/',
      JWT_KEY_BITS: '4096',
      LOG_LEVEL: 'Warning',
      UNKNOWN: 'x',
    });
    expect(config).toMatchObject({
      DEBUG: true,
      PORT: 9000,
      JWT_AUDIENCE: ['one', 'two'],
      PUBLIC_URL: 'https://id.example.org',
      JWT_ISSUER: 'https://id.example.org',
      JWT_KEY_BITS: 4096,
      LOG_LEVEL: 'warn',
      DOCS_ENABLED: true,
    });
    expect(config).not.toHaveProperty('UNKNOWN');
  });

  it('follows the port where no URL is given, and drops what browsers refuse on plain http', () => {
    expect(loadConfig({ PORT: '9001' })).toMatchObject({
      PUBLIC_URL: 'http://localhost:9001',
      JWT_ISSUER: 'http://localhost:9001',
      SESSION_COOKIE_SECURE: false,
      SESSION_COOKIE_NAME: 'refresh_token',
    });
  });

  it('cannot be changed afterwards', () => {
    const config = loadConfig({}) as { PORT: number };
    expect(() => (config.PORT = 1)).toThrow(TypeError);
  });

  it.each([
    ['DEBUG', 'yes'],
    ['SMTP_TLS', 'TRUE '],
    ['PORT', 'http'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['PASSWORD_BCRYPT_COST', '3'],
    ['PASSWORD_MIN_LENGTH', '7'],
    ['DATABASE_POOL_SIZE', '0'],
    ['REDIS_URL', 'redis://localhost:6379,localhost'],
    ['JWT_ALGORITHM', 'HS256'],
    ['JWT_ALGORITHM', 'none'],
    ['JWT_KEY_BITS', '1024'],
    ['JWT_ACCESS_TOKEN_TTL_MINUTES', '61'],
    ['MFA_TOTP_WINDOW_SECONDS', '60'],
    ['PUBLIC_URL', 'id.example.org'],
    ['DATABASE_URL', 'not a url'],
    ['REDIS_URL', '/tmp/redis'],
    ['ENVIRONMENT', 'prod'],
    ['LOG_LEVEL', 'loud'],
    ['LOG_FORMAT', 'xml'],
    ['SESSION_COOKIE_SAMESITE', 'Strict'],
    ['KMS_PROVIDER', 'paper'],
    ['TRUSTED_PROXIES', '10.0.0.0/33'],
    ['TRUSTED_PROXIES', 'proxy.local'],
    ['WEBHOOK_PRIVATE_NETWORKS', '10.0.0.0/33'],
    ['WEBHOOK_PRIVATE_NETWORKS', '10.0.0.0/8,receiver.internal'],
    ['CORS_ALLOWED_ORIGINS', '*'],
    ['CORS_ALLOWED_ORIGINS', 'https://app.example.org/path'],
    ['GOOGLE_OAUTH_ISSUER', 'accounts.google.com'],
    ['GOOGLE_OAUTH_ISSUER', 'ftp://accounts.google.com'],
    ['GOOGLE_OAUTH_ISSUER', 'https://accounts.google.com?x=1'],
    ['KITE_API_BASE_URL', 'api.kite.trade'],
    ['KITE_API_BASE_URL', 'ftp://api.kite.trade'],
    ['KITE_API_BASE_URL', 'https://user:secret@api.kite.trade'],
    ['KITE_API_BASE_URL', 'https://api.kite.trade?x=1'],
    ['KITE_LOGIN_URL', 'javascript:alert(1)'],
    ['KITE_API_TIMEOUT_SECONDS', '0'],
    ['KITE_API_MAX_RETRIES', '11'],
    ['GOOGLE_OAUTH_REDIRECT_URI', '/signed-in'],
    ['GOOGLE_OAUTH_REDIRECT_URI', 'https://app.example.org'],
    ['GOOGLE_OAUTH_REDIRECT_URI', 'https://app.example.org/#/signed-in'],
    ['GOOGLE_OAUTH_REDIRECT_URIS', 'https://app.example.org/a,https://app.example.org/b?c=d'],
  ])('refuses %s=%s by its name', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
  });

  it('asks for two connections, for a job works with one while it holds another', () => {
    const one = { DATABASE_POOL_SIZE: '1', DATABASE_MAX_OVERFLOW: '0', WEB_CONCURRENCY: '1' };
    expect(names(problemsOf(one))).toEqual(['DATABASE_POOL_SIZE']);
    expect(problemsOf({ ...one, DATABASE_MAX_OVERFLOW: '1' })).toEqual([]);
  });

  it('asks for both halves of what Google knows us by', () => {
    for (const name of ['GOOGLE_OAUTH_CLIENT_ID', 'GOOGLE_OAUTH_CLIENT_SECRET']) {
      expect(names(problemsOf({ [name]: 'x' }))).toEqual(['GOOGLE_OAUTH_CLIENT_SECRET']);
    }
  });

  it('names every wrong value at once', () => {
    const problems = problemsOf({ PORT: 'x', DEBUG: 'x', TRUSTED_PROXIES: 'x', LOG_FORMAT: 'x' });
    expect(names(problems)).toEqual(['DEBUG', 'LOG_FORMAT', 'PORT', 'TRUSTED_PROXIES']);
  });
});

describe.each(['production', 'staging'])('loadConfig in %s', (ENVIRONMENT) => {
  let folder: string;
  let good: Record<string, string>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'user-service-config-'));
    good = {
      ENVIRONMENT,
      DATABASE_URL: 'postgresql://user_service:Zq7-hT2-long@db.internal:5432/user_service',
      REDIS_URL: 'rediss://:x@redis.internal:6379/0',
      PUBLIC_URL: 'https://id.example.org',
      JWT_ISSUER: 'https://id.example.org',
      SMTP_HOST: 'smtp.example.org',
      SMTP_FROM: 'noreply@id.example.org',
      CORS_ALLOWED_ORIGINS: 'https://app.example.org',
      LOCAL_KMS_KEY_PATH: keyFile('good', `${'5a'.repeat(32)}\n`),
    };
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const keyFile = (name: string, content: string, mode = 0o600): string => {
    const path = join(folder, name);
    writeFileSync(path, content, { mode });
    return path;
  };

  it('takes a key file with several versions', () => {
    const [one, two, next] = ['5a', 'b7', 'c3'].map((byte) => byte.repeat(32));
    const path = keyFile('versions', `# ours\n${one}\n2:${two}\nnext:3:${next}\n`);
    expect(problemsOf({ ...good, LOCAL_KMS_KEY_PATH: path })).toEqual([]);
  });

  it('takes a Redis password with a comma in it', () => {
    expect(problemsOf({ ...good, REDIS_URL: 'redis://:x,y@redis.internal' })).toEqual([]);
  });

  it('takes good settings', () => {
    const config: Config = loadConfig(good);
    expect(config).toMatchObject({
      SESSION_COOKIE_SECURE: true,
      SESSION_COOKIE_NAME: '__Secure-refresh_token',
      DOCS_ENABLED: ENVIRONMENT === 'staging',
      JWT_ISSUER: 'https://id.example.org',
      KITE_API_BASE_URL: 'https://api.kite.trade',
      KITE_LOGIN_URL: 'https://kite.zerodha.com/connect/login',
    });
  });

  it.each([
    ['DATABASE_URL', ''],
    ['DATABASE_URL', 'postgresql://user:pass@localhost:5432/user_service'],
    ['DATABASE_URL', 'postgresql://db.internal/user_service'],
    ['DATABASE_URL', 'postgresql://admin:admin@db.internal/user_service'],
    ['REDIS_URL', ''],
    ['SMTP_HOST', ''],
    ['SMTP_TLS', 'false'],
    ['SMTP_FROM', 'noreply@example.com'],
    ['PUBLIC_URL', ''],
    ['PUBLIC_URL', 'http://id.example.org'],
    ['JWT_AUDIENCE', ','],
    ['JWT_ISSUER', ''],
    ['PASSWORD_BCRYPT_COST', '11'],
    ['PASSWORD_MIN_LENGTH', '11'],
    ['SESSION_COOKIE_SECURE', 'false'],
    ['SESSION_COOKIE_HTTPONLY', 'false'],
    ['SESSION_COOKIE_SAMESITE', 'lax'],
    ['DEBUG', 'true'],
    ['METRICS_TOKEN', 'short'],
    ['CORS_ALLOWED_ORIGINS', 'http://localhost:3000'],
    ['KITE_API_BASE_URL', 'http://api.kite.trade'],
    ['KITE_LOGIN_URL', 'http://127.0.0.1:1234/connect/login'],
    ['LOCAL_KMS_KEY_PATH', '/nowhere/master.key'],
    ['WEBHOOK_PRIVATE_NETWORKS', '10.0.0.0/8,0.0.0.0/0'],
    ['WEBHOOK_PRIVATE_NETWORKS', '::/0'],
  ])('refuses %s=%s alone', (name, value) => {
    expect(names(problemsOf({ ...good, [name]: value }))).toEqual([name]);
  });

  it('refuses Google sign-in over plain http', () => {
    const client = { GOOGLE_OAUTH_CLIENT_ID: 'x', GOOGLE_OAUTH_CLIENT_SECRET: 'x' };
    const app = { GOOGLE_OAUTH_REDIRECT_URI: 'https://app.example.org/signed-in' };
    expect(problemsOf({ ...good, ...client, ...app })).toEqual([]);
    expect(names(problemsOf({ ...good, ...client }))).toEqual(['GOOGLE_OAUTH_REDIRECT_URI']);
    const more = { GOOGLE_OAUTH_REDIRECT_URIS: 'http://app.example.org/' };
    expect(names(problemsOf({ ...good, ...client, ...app, ...more }))).toEqual([
      'GOOGLE_OAUTH_REDIRECT_URIS',
    ]);
    const issuer = { GOOGLE_OAUTH_ISSUER: 'http://accounts.google.com' };
    expect(names(problemsOf({ ...good, ...issuer }))).toEqual(['GOOGLE_OAUTH_ISSUER']);
  });

  it('refuses a key that it made itself, that is none, or that others can read', () => {
    for (const path of [
      keyFile('development', `${DEVELOPMENT_KEY_MARK}\n${'5a'.repeat(32)}\n`),
      keyFile('short', '5a5a\n'),
      keyFile('twice', `${'5a'.repeat(32)}\n${'b7'.repeat(32)}\n`),
      keyFile('open', `${'5a'.repeat(32)}\n`, 0o644),
    ]) {
      expect(names(problemsOf({ ...good, LOCAL_KMS_KEY_PATH: path }))).toEqual(['LOCAL_KMS_KEY_PATH']);
    }
  });

  it('names all that is wrong at once, and no secret', () => {
    const problems = problemsOf({
      ENVIRONMENT,
      DATABASE_URL: 'postgresql://a:password@b/c',
      PORT: 'x',
      DEBUG: 'true',
    });
    expect([...new Set(names(problems))]).toEqual([
      'CORS_ALLOWED_ORIGINS',
      'DATABASE_URL',
      'DEBUG',
      'JWT_ISSUER',
      'LOCAL_KMS_KEY_PATH',
      'PORT',
      'PUBLIC_URL',
      'REDIS_URL',
      'SMTP_FROM',
      'SMTP_HOST',
    ]);
    expect(problems.join()).not.toContain('postgresql://');
  });
});

const names = (problems: string[]): string[] => problems.map((problem) => problem.split(':')[0]!).sort();

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
