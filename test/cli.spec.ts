import { Redis } from 'ioredis';
import { Client } from 'pg';
import { STREAM_KEY } from '../src/infra/events/targets/redis-stream';
import { CommandLine, RunningCommand } from './support/command-line';
import { createTestDatabase, TestDatabase } from './support/database';
import { eventually } from './support/event-world';
import { OwnServers, startOwnServers } from './support/servers';

describe('the command line', () => {
  let stores: TestDatabase;
  let commands: CommandLine;

  const query = async (sql: string): Promise<Record<string, unknown>[]> => {
    const client = new Client({ connectionString: stores.databaseUrl });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    stores = await createTestDatabase();
    commands = new CommandLine(stores);
  });
  afterAll(async () => {
    commands.remove();
    await stores.drop();
  });

  it('makes an administrator, with a password of its own or a given one, and never shows the given one', async () => {
    const made = await commands.run(['create-admin', '--email', 'Ada@Example.com', '--name', 'Ada Lovelace']);
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(made.stdout).toMatch(
      /^ada@example\.com is an administrator now\.\nPassword, shown once: \S{20,}\n$/,
    );

    const password = 'Nine-Brown-Otters-42';
    const args = ['create-admin', '--email', 'bob@example.com', '--name', 'Bob', '--password-stdin'];
    const given = await commands.run(args, { input: `${password}\n` });
    expect(given).toMatchObject({ code: 0, stdout: 'bob@example.com is an administrator now.\n' });

    const again = await commands.run(args, { input: `${password}\n` });
    expect(again.stdout).toContain('was there already');
    const admins = await query(
      `SELECT email FROM users JOIN user_roles ON user_id = id WHERE role = 'admin' ORDER BY email`,
    );
    expect(admins.map((row) => row.email)).toEqual(['ada@example.com', 'bob@example.com']);
  });

  it('names every rule that a password breaks', async () => {
    const args = ['create-admin', '--email', 'eve@example.com', '--name', 'Eve', '--password-stdin'];
    const { code, stderr } = await commands.run(args, { input: 'short\n' });
    expect(code).toBe(1);
    expect(stderr).toContain('  - password: ');
    expect(stderr.split('\n').length).toBeGreaterThan(3);
  });

  it('rotates signing keys, ahead or at once', async () => {
    const { stdout: before } = await commands.run(['keys', 'list']);
    expect(before).toMatch(/ access  RS256  active /);
    expect((await commands.run(['keys', 'rotate'])).stdout).toMatch(/ access  RS256  pending /);
    expect((await commands.run(['keys', 'rotate', '--use', 'opaque', '--now'])).stdout).toMatch(
      / opaque  HS256  active /,
    );
    const { stdout: after } = await commands.run(['keys', 'list']);
    expect(after.trim().split('\n')).toHaveLength(before.trim().split('\n').length + 2);
  });

  it('leaves publishing to the service', async () => {
    expect(await query('SELECT term::int FROM event_relay')).toEqual([{ term: 0 }]);
    const [{ pending }] = (await query('SELECT count(*)::int AS pending FROM event_outbox')) as [
      { pending: number },
    ];
    expect(pending).toBeGreaterThan(0);
  });

  it('ends with 1 and one plain message, without the password, when a server is away', async () => {
    const env = { DATABASE_URL: 'postgres://user:sekret@127.0.0.1:1/none' };
    for (const file of ['cli.js', 'migrate.js']) {
      const { code, stdout, stderr } = await commands.run(file === 'cli.js' ? ['keys', 'list'] : [], {
        env,
        file,
      });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('ECONNREFUSED');
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(stderr).not.toContain('sekret');
    }
  });

  it('asks for the service to be started when nothing is configured and nothing runs', async () => {
    const env = { DATABASE_URL: '', REDIS_URL: '' };
    const { code, stderr } = await commands.run(['events', 'tail'], { env });
    expect(code).toBe(1);
    expect(stderr).toContain('npm start');
  });

  it('migrates, and takes the last step back', async () => {
    const migrate = async (...args: string[]): Promise<string> =>
      (await commands.run(args, { file: 'migrate.js' })).stdout;
    expect(await migrate()).toBe('The database is up to date.\n');
    expect(await migrate('--undo')).toMatch(/^undone: \w+\n$/);
    expect(await migrate()).toMatch(/^migrated: \w+\nThe database is up to date\.\n$/);
  });

  it('explains itself', async () => {
    const { code, stdout } = await commands.run(['events', 'tail', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('npm run cli -- events tail --group audit --from-start --json');
  });
});

describe('events tail', () => {
  let servers: OwnServers;
  let commands: CommandLine;
  let redis: Redis;
  const running: RunningCommand[] = [];

  const tail = (...args: string[]): RunningCommand => {
    const command = commands.start(['events', 'tail', '--group', 'g', '--consumer', 'c', ...args]);
    running.push(command);
    return command;
  };
  const add = (number: number): Promise<unknown> =>
    redis.xadd(
      STREAM_KEY,
      '*',
      ...Object.entries({
        event_id: `event-${number}`,
        event_type: 'user.logout',
        timestamp: '2026-01-01T00:00:00.000Z',
        subject: `user:${number}`,
        actor: 'system',
        data: `{"number":${number}}`,
        metadata: '{}',
      }).flat(),
    );
  const unfinished = async (): Promise<unknown> => (await redis.xpending(STREAM_KEY, 'g'))[0];

  beforeAll(async () => {
    servers = await startOwnServers();
    commands = new CommandLine(servers);
    redis = new Redis(servers.redisUrl, { maxRetriesPerRequest: null });
    redis.on('error', () => undefined);
  }, 60_000);
  beforeEach(() => redis.flushdb());
  afterEach(() => Promise.all(running.splice(0).map((command) => command.end('SIGKILL'))));
  afterAll(async () => {
    redis.disconnect();
    commands.remove();
    await servers.stop();
  });

  it('prints one event a line, acknowledges it, and ends with 0 on Ctrl-C', async () => {
    await add(1);
    const command = tail('--from-start');
    await eventually(() => command.lines.length === 1);
    await add(2);
    await eventually(() => command.lines.length === 2);
    expect(command.lines[1]).toBe(
      '2026-01-01T00:00:00.000Z  user.logout                 user:2  by system  {"number":2}',
    );
    await eventually(async () => (await unfinished()) === 0);
    expect(await command.end('SIGINT')).toMatchObject({ code: 0, stderr: '' });
  });

  it('goes on where it left off, first with what it had read but not acknowledged', async () => {
    await redis.xgroup('CREATE', STREAM_KEY, 'g', '0', 'MKSTREAM');
    await add(1);
    await redis.xreadgroup('GROUP', 'g', 'c', 'COUNT', 1, 'STREAMS', STREAM_KEY, '>');
    await add(2);
    const command = tail('--json');
    await eventually(() => command.lines.length === 2);
    expect(command.lines.map((line) => JSON.parse(line).data.number)).toEqual([1, 2]);
  });

  it('takes over what another member abandoned', async () => {
    await redis.xgroup('CREATE', STREAM_KEY, 'g', '0', 'MKSTREAM');
    await add(1);
    await redis.xreadgroup('GROUP', 'g', 'dead', 'COUNT', 1, 'STREAMS', STREAM_KEY, '>');
    // As if it had read it two minutes ago.
    const [[id]] = (await redis.xrange(STREAM_KEY, '-', '+')) as [[string, string[]]];
    await redis.xclaim(STREAM_KEY, 'g', 'dead', 0, id, 'IDLE', 120_000);
    const command = tail();
    await eventually(() => command.lines.length === 1);
    await eventually(async () => (await unfinished()) === 0);
  });

  it('survives a Redis that is away, and one that has lost everything', async () => {
    const command = tail('--from-start');
    await add(1);
    await eventually(() => command.lines.length === 1);
    await servers.killRedis();
    await eventually(() => command.stderr.includes('Redis is away'));
    await servers.restartRedis();
    await add(2);
    await eventually(() => command.lines.length === 2);
    await redis.flushdb();
    await add(3);
    await eventually(() => command.lines.length === 3);
    expect(command.stderr.trim().split('\n')).toHaveLength(2);
    expect((await command.end('SIGTERM')).code).toBe(0);
  });
});
