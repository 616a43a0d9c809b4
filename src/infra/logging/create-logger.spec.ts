import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

const SOURCES = join(__dirname, '../../../dist/src');
// The logger writes to the standard output of its process, so it gets one of its own.
const PROGRAM = `
  const { loadConfig } = require(${JSON.stringify(join(SOURCES, 'config/config.js'))});
  const { createLoggers } = require(${JSON.stringify(join(SOURCES, 'infra/logging/create-logger.js'))});
  const { logger } = createLoggers(loadConfig(JSON.parse(process.argv[1])));
  for (const { level = 'info', members = {}, message, error } of JSON.parse(process.argv[2]))
    logger[level]({ ...members, ...(error && { err: Object.assign(new Error(error), members) }) }, message);
`;

interface Entry {
  level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  members?: Record<string, unknown>;
  message?: string;
  error?: string;
}

/** What a process with these settings writes when it logs this. */
const written = (entries: Entry[], env: Record<string, string> = {}): string =>
  execFileSync(process.execPath, ['-e', PROGRAM, JSON.stringify(env), JSON.stringify(entries)], {
    encoding: 'utf8',
    timeout: 10_000,
  });
const records = (output: string): Record<string, unknown>[] =>
  output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const SECRET_MEMBERS = [
  'password',
  'current_password',
  'new_password',
  'token',
  'access_token',
  'refresh_token',
  'mfa_token',
  'authorization',
  'cookie',
  'secret',
  'api_key',
  'api_secret',
  'verification_token',
  'backup_codes',
  'code_verifier',
  'state',
  'provisioning_uri',
  'qr_code',
];
const API_KEY = 'us_live_0123456789ABCDEFGHIJKLMNOPQRSTUV0DZvz4';
const JWT = [{ alg: 'RS256' }, { sub: 'asha' }]
  .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .concat(randomBytes(30).toString('base64url'))
  .join('.');
const OPAQUE = randomBytes(4 + 16 + 32).toString('base64url');

describe.each(['json', 'text'])('A log in %s', (LOG_FORMAT) => {
  it('shows no secret member, at the top or one level below', () => {
    const secrets = Object.fromEntries(SECRET_MEMBERS.map((name) => [name, `hush-${name}`]));
    const output = written(
      [{ members: { ...secrets, body: { ...secrets, email_domain: 'example.com' } }, message: 'request' }],
      { LOG_FORMAT },
    );
    expect(output).not.toContain('hush-');
    expect(output.split('[redacted]')).toHaveLength(2 * SECRET_MEMBERS.length + 1);
    expect(output).toContain('example.com');
  });

  it('shows no code of a request, and those of errors', () => {
    const output = written(
      [
        { members: { body: { code: 'hush-1' }, query: { code: 'hush-2' } }, message: 'request' },
        { members: { code: 'ECONNREFUSED' }, error: 'no connection' },
        { members: { code: 'internal_error', kid: 'k'.repeat(43) }, message: 'refused' },
      ],
      { LOG_FORMAT },
    );
    expect(output).not.toContain('hush-');
    for (const kept of ['ECONNREFUSED', 'internal_error', 'k'.repeat(43)]) expect(output).toContain(kept);
  });

  it.each([
    ['a JWT', JWT],
    ['an opaque token', OPAQUE],
    ['an API key', API_KEY],
  ])('does not show %s in messages, stacks and members', (_what, token) => {
    const output = written(
      [
        { message: `cannot read ${token}, sorry` },
        { message: `https://id.example.org/reset?token=${token}&lang=en` },
        { error: `no such key: "${token}"` },
        { members: { header: `Bearer ${token}`, list: [{ of: { any: token } }] }, message: 'deep' },
      ],
      { LOG_FORMAT },
    );
    for (const part of token.split('.')) expect(output).not.toContain(part);
    expect(output).toContain('cannot read [token], sorry');
    expect(output).toContain('?token=[token]&lang=en');
    expect(output.match(/\[token\]/g)!.length).toBeGreaterThanOrEqual(6);
  });

  it.each([
    ['a JWT', JWT],
    ['an opaque token', OPAQUE],
    ['an API key', API_KEY],
  ])('stays readable where %s follows a line break', (_what, token) => {
    const message = `before:\n${token}\t${token}\\${token}\u0001${token}\nafter`;
    const output = written([{ message, members: { request_id: 'request-1' } }], { LOG_FORMAT });
    for (const part of token.split('.')) expect(output).not.toContain(part);
    if (LOG_FORMAT === 'text') return expect(output).toMatch(/INFO.*: before:\n/);
    expect(records(output)).toMatchObject([
      { msg: 'before:\n[token]\t[token]\\[token]\u0001[token]\nafter', request_id: 'request-1' },
    ]);
  });

  it('leaves ids and paths as they are', () => {
    const message = 'GET /v1/auth/sessions/0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10 by asha.rao_1';
    expect(written([{ message }], { LOG_FORMAT })).toContain(message);
  });
});

describe('A log', () => {
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
  const one = levels.map((level) => ({ level, message: level }));

  it.each([
    ['TRACE', levels],
    ['INFO', levels.slice(2)],
    ['Warning', levels.slice(3)],
    ['FATAL', levels.slice(5)],
  ])('of level %s has that and above', (LOG_LEVEL, expected) => {
    const output = records(written(one, { LOG_LEVEL }));
    // A fatal record overtakes one that is being written.
    expect(output.map(({ level, msg }) => [level, msg]).sort()).toEqual(
      expected.map((level) => [level, level]).sort(),
    );
  });

  it('is empty where it is silent', () => {
    expect(written(one, { LOG_LEVEL: 'silent' })).toBe('');
  });

  it('says who wrote it and when, one object a line', () => {
    const output = records(
      written([{ message: 'one\ntwo', members: { n: 1 } }, { error: 'broke' }], { APP_NAME: 'other' }),
    );
    expect(output).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        service: 'other',
        pid: expect.any(Number),
        n: 1,
        msg: 'one\ntwo',
      },
      expect.objectContaining({
        err: { type: 'Error', message: 'broke', stack: expect.stringMatching(/^Error: broke\n {4}at /) },
      }),
    ]);
  });
});
