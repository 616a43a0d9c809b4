import { Config, loadConfig } from './config';
import { envExample } from './env-example';
import { cores, coresOf } from './cores';
import { variables } from './variables';

type Environment = Record<string, string>;

describe('The default of', () => {
  it.each<[string, Environment, Partial<Config>]>([
    ['PUBLIC_URL', {}, { PUBLIC_URL: 'http://localhost:8001' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'https://id.example.org//' }, { PUBLIC_URL: 'https://id.example.org' }],
    ['JWT_ISSUER', {}, { JWT_ISSUER: 'http://localhost:8001' }],
    [
      'JWT_ISSUER',
      { JWT_ISSUER: 'user_service', PUBLIC_URL: 'https://id.example.org' },
      { JWT_ISSUER: 'user_service' },
    ],
    [
      'the cookie',
      { PUBLIC_URL: 'https://id.example.org' },
      { SESSION_COOKIE_NAME: '__Secure-refresh_token', SESSION_COOKIE_SECURE: true },
    ],
    ['the cookie', { SESSION_COOKIE_NAME: '__Host-rt' }, { SESSION_COOKIE_NAME: 'rt' }],
    ['the cookie', { SESSION_COOKIE_NAME: 'plain' }, { SESSION_COOKIE_NAME: 'plain' }],
    ['workers', {}, { WEB_CONCURRENCY: Math.min(cores, 256) }],
    ['connections', { WEB_CONCURRENCY: '1' }, { DATABASE_POOL_SIZE: 20, DATABASE_MAX_OVERFLOW: 10 }],
    ['connections', { WEB_CONCURRENCY: '4' }, { DATABASE_POOL_SIZE: 5, DATABASE_MAX_OVERFLOW: 3 }],
    ['connections', { WEB_CONCURRENCY: '64' }, { DATABASE_POOL_SIZE: 4, DATABASE_MAX_OVERFLOW: 1 }],
    [
      'connections',
      { WEB_CONCURRENCY: '8', DATABASE_POOL_SIZE: '2', DATABASE_MAX_OVERFLOW: '0' },
      { DATABASE_POOL_SIZE: 2, DATABASE_MAX_OVERFLOW: 0 },
    ],
    [
      'threads',
      { WEB_CONCURRENCY: '1' },
      { PASSWORD_HASH_CONCURRENCY: cores, PASSWORD_HASH_QUEUE: 16 * cores },
    ],
    [
      'threads',
      { WEB_CONCURRENCY: '256' },
      {
        PASSWORD_HASH_CONCURRENCY: Math.max(1, Math.floor(cores / 256)),
        PASSWORD_HASH_QUEUE: 16 * Math.max(1, Math.floor(cores / 256)),
      },
    ],
    [
      'threads',
      { PASSWORD_HASH_CONCURRENCY: '3', WEB_CONCURRENCY: '4' },
      { PASSWORD_HASH_CONCURRENCY: 3, PASSWORD_HASH_QUEUE: 48 },
    ],
    [
      'the queue',
      { PASSWORD_HASH_CONCURRENCY: '3', PASSWORD_HASH_QUEUE: '5' },
      { PASSWORD_HASH_CONCURRENCY: 3, PASSWORD_HASH_QUEUE: 5 },
    ],
    ['DOCS_ENABLED', { DOCS_ENABLED: 'false' }, { DOCS_ENABLED: false }],
  ])('%s follows %j', (_what, env, expected) => expect(loadConfig(env)).toMatchObject(expected));
});

describe('The cores of a container', () => {
  it.each<[string | undefined, string | undefined, number | undefined]>([
    ['200000', '100000', 2],
    ['50000', '100000', 0.5],
    ['max', '100000', undefined],
    ['-1', '100000', undefined],
    [undefined, undefined, undefined],
  ])('with a quota of %s in %s are %s', (quota, period, expected) =>
    expect(coresOf(quota, period)).toBe(expected),
  );
});

describe('loadConfig', () => {
  it('takes an empty variable for an unset one', () => {
    const empty = Object.fromEntries(Object.keys(variables).map((name) => [name, '']));
    expect(loadConfig(empty)).toEqual(loadConfig({}));
  });

  it('has every variable and nothing else, and takes no addition or removal', () => {
    const config = loadConfig({});
    expect(Object.keys(config).sort()).toEqual(Object.keys(variables).sort());
    expect(Object.isFrozen(config)).toBe(true);
    expect(() => Object.assign(config, { EXTRA: 1 })).toThrow(TypeError);
    expect(() => delete (config as Partial<Record<string, unknown>>).PORT).toThrow(TypeError);
  });
});

describe('envExample', () => {
  const lines = envExample().split('\n');

  it('has every variable once, each below its help', () => {
    const names = lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.slice(0, line.indexOf('=')));
    expect(names).toEqual(Object.keys(variables));
    for (const [name, { help }] of Object.entries(variables)) {
      const at = lines.findIndex((line) => line.startsWith(`${name}=`));
      expect(lines[at - 1]).toBe(`# ${help}`);
    }
  });

  it('has every heading once', () => {
    const headings = lines.filter((line) => line.startsWith('## '));
    expect(new Set(headings).size).toBe(headings.length);
    expect(headings).toHaveLength(new Set(Object.values(variables).map(({ group }) => group)).size);
  });
});
