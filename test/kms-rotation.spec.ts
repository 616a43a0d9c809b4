import { mkdirSync, readFileSync, rmdirSync, utimesSync } from 'node:fs';
import { failureText } from '../src/cli/failure';
import { kmsCommand } from '../src/cli/kms.command';
import { KMS, Kms } from '../src/infra/kms/kms';
import { LocalKms } from '../src/infra/kms/local-kms';
import { Rewrap } from '../src/infra/kms/rewrap.service';
import { RotateMasterKey } from '../src/infra/kms/rotate-master-key.service';
import { packWrapped, unpackWrapped } from '../src/infra/kms/wrapped-secret';
import { eventually, startService, TestService } from './support/app';
import { CommandLine, Outcome } from './support/command-line';
import { startReaders } from './support/key-readers';
import { addWrappedRows, setWrapped, WrappedKind, wrappedOf, WrappedSecretRow } from './support/wrapped-rows';

const KINDS: WrappedKind[] = ['signing_keys', 'totp_factors', 'trading_accounts'];
/** Enough for the command to be killed in the middle. */
const MANY = 700;
const SOME = 100;

describe('a rotation of the master key', () => {
  let service: TestService;
  let commands: CommandLine;
  let kms: Kms;
  let keyFile: string;
  const rows: WrappedSecretRow[] = [];

  beforeAll(async () => {
    service = await startService({ RATELIMIT_REFRESH_ATTEMPTS: '10000', RATELIMIT_LOGIN_ATTEMPTS: '10000' });
    commands = new CommandLine({
      databaseUrl: service.config.DATABASE_URL,
      redisUrl: service.config.REDIS_URL,
    });
    kms = service.app.get<Kms>(KMS);
    keyFile = service.config.LOCAL_KMS_KEY_PATH;
    for (const kind of KINDS)
      rows.push(...(await addWrappedRows(service, kms, kind, kind === 'totp_factors' ? MANY : SOME)));
  });
  afterAll(async () => {
    commands.remove();
    await service.stop();
  });

  const env = () => ({ LOCAL_KMS_KEY_PATH: keyFile });
  /** The command in this process: a start of its own takes a second. */
  const run = async (...args: string[]): Promise<Outcome> => {
    const { DATABASE_URL, REDIS_URL } = service.config;
    const replaced = jest.replaceProperty(process, 'env', {
      ...process.env,
      ...env(),
      DATABASE_URL,
      REDIS_URL,
      PASSWORD_BCRYPT_COST: '4',
    });
    const said: Record<'log' | 'error', string> = { log: '', error: '' };
    const spies = (['log', 'error'] as const).map((name) =>
      jest.spyOn(console, name).mockImplementation((...line: unknown[]) => {
        said[name] += `${line.join(' ')}
`;
      }),
    );
    let code = 0;
    try {
      await kmsCommand().parseAsync(args, { from: 'user' });
    } catch (error) {
      code = 1;
      said.error += `${failureText(error)}\n`;
    } finally {
      replaced.restore();
      for (const spy of spies) spy.mockRestore();
    }
    return { code, stdout: said.log, stderr: said.error };
  };
  const versions = async (): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (const { version, rows: count } of await service.app.get(Rewrap).counts())
      counts[version] = (counts[version] ?? 0) + count;
    return counts;
  };
  const expectAllReadable = async (): Promise<void> => {
    const fresh = await LocalKms.fromFile(keyFile);
    for (const row of rows.filter((_, i) => i % 10 === 0)) {
      expect(await fresh.unwrap(await wrappedOf(service, row), row.context)).toEqual(row.secret);
    }
  };

  it('is told by its command line', () => {
    expect(kmsCommand().helpInformation()).toMatch(/status[^]*rotate[^]*rewrap/);
  });

  it('shows what is under which version, and nothing secret', async () => {
    const { code, stdout, stderr } = await run('status');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('provider local, version 1 wraps');
    expect(lines).toContainEqual(expect.stringMatching(/^totp_factors +version 1 +700$/));
    expect(lines).toContainEqual(expect.stringMatching(/^trading_accounts +version 1 +100$/));
    expect(lines.at(-1)).toBe('Everything is under version 1.');
    expect(stdout).not.toMatch(/[0-9a-f]{32}/);
  });

  it('is noticed by none of 20 readers, killed in the middle and resumed', async () => {
    const readers = await startReaders(service, keyFile, rows);
    try {
      await rotateKillAndResume();
    } finally {
      await readers.stop();
    }
    const { reads, failures } = readers;
    expect(failures).toEqual([]);
    expect(Object.values(reads).every((count) => count > 0)).toBe(true);
    expect(reads.unwraps).toBeGreaterThan(300);
    // Two commands, each a start of its own, on a machine that the readers keep busy.
  }, 90_000);

  /** The other tests need fewer rows. */
  async function forgetMost(): Promise<void> {
    const gone = rows.filter(({ kind }) => kind === 'totp_factors').slice(SOME);
    await service.db.query(`DELETE FROM totp_factors WHERE user_id = ANY($1)`, [gone.map(({ id }) => id)]);
    for (const row of gone) rows.splice(rows.indexOf(row), 1);
  }

  async function rotateKillAndResume(): Promise<void> {
    // So many rows in the middle as are worked on at once: the command gets no further.
    const middle = rows.filter(({ kind }) => kind === 'totp_factors').map(({ id }) => id);
    const runner = service.db.createQueryRunner();
    await runner.startTransaction();
    // It waits for the command longer than a transaction of the service may.
    await runner.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    await runner.query(`SELECT FROM totp_factors WHERE user_id = ANY($1) FOR UPDATE`, [
      middle.sort().slice(MANY / 2, MANY / 2 + 4),
    ]);
    const command = commands.start(['kms', 'rotate'], env());
    await eventually(async () => ((await versions())['2'] ?? 0) >= 200, 'half of it', 20_000);
    expect((await command.end('SIGKILL')).code).toBeNull();
    await runner.rollbackTransaction();
    await runner.release();
    // Takes its time: what PostgreSQL had in hand for the one that was killed is done by then.
    const { stdout: status } = await run('status');
    const halfway = await versions();
    expect(halfway['1']).toBeGreaterThan(100);
    expect(halfway['2']).toBeGreaterThan(100);
    expect(status).toContain('provider local, version 2 wraps');
    expect(status).toMatch(/^totp_factors +version 1 +\d+ {2}to be re-wrapped$/m);
    expect(status).toContain(`${halfway['1']} left: npm run cli -- kms rewrap`);

    const resumed = await commands.run(['kms', 'rewrap'], { env: env() });
    expect(resumed.code).toBe(0);
    expect(resumed.stdout).toMatch(/^totp_factors +\d+ re-wrapped$/m);
    expect(resumed.stdout).toContain('Everything is under version 2.');
    const done = [...resumed.stdout.matchAll(/ (\d+) re-wrapped/g)].map(([, count]) => Number(count));
    // Nothing is done twice, and what readers have stored meanwhile is under the new one already.
    expect(done.reduce((sum, count) => sum + count, 0)).toBe(halfway['1']);
    expect(Object.keys(await versions())).toEqual(['2']);
    await expectAllReadable();
  }

  it('is recorded once, after the provider has done it', async () => {
    const events = await service.db.query<unknown[]>(
      `SELECT subject, actor, priority, data FROM events WHERE event_type = 'master_key.rotated'`,
    );
    expect(events).toEqual([
      {
        subject: 'master_key:2',
        actor: 'system',
        priority: 'high',
        data: { provider: 'local', version: '2' },
      },
    ]);
  });

  it('happens twice when two begin at once, and everything is under the later one', async () => {
    await forgetMost();
    const other = await service.another();
    const made = await Promise.all([service, other].map(({ app }) => app.get(RotateMasterKey).run()));
    await other.stop();
    expect(made.sort()).toEqual(['3', '4']);
    const { code, stdout } = await run('rewrap');
    expect(code).toBe(0);
    expect(stdout).toMatch(/Everything is under version 4\.\n$/);
    expect(Object.keys(await versions())).toEqual(['4']);
    await expectAllReadable();
  });

  it('re-wraps all but a damaged row, names it, and ends with 1', async () => {
    const [good, cut, other, foreign] = rows.filter(({ kind }) => kind === 'trading_accounts');
    const before = await wrappedOf(service, cut!);
    await setWrapped(
      service,
      cut!,
      Buffer.concat([before.subarray(0, -1), Buffer.from([before.at(-1)! ^ 1])]),
    );
    await setWrapped(service, other!, Buffer.from([7]));
    await setWrapped(service, foreign!, packWrapped({ version: '99', body: Buffer.alloc(60) }));
    const { code, stdout, stderr } = await run('rotate');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^trading_accounts +97 re-wrapped$/m);
    expect(stderr).toContain(`trading_accounts ${cut!.id}: not what was wrapped`);
    expect(stderr).toContain(`trading_accounts ${other!.id}: not what was wrapped`);
    expect(stderr).toContain(`trading_accounts ${foreign!.id}: under a version whose key is not here`);
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(
      '3 secrets are not under version 5: 2 are damaged, the key of 1 is not here.',
    );
    expect(unpackWrapped(await wrappedOf(service, good!)).version).toBe('5');
    // Nothing is made worse: what was there is there.
    expect(await wrappedOf(service, other!)).toEqual(Buffer.from([7]));
    expect((await run('status')).stdout).toMatch(/^trading_accounts +version \? +1 {2}to be re-wrapped$/m);
    await setWrapped(service, cut!, before);
    for (const row of [other!, foreign!])
      await setWrapped(service, row, await kms.wrap(row.secret, row.context));
    expect((await run('rewrap')).code).toBe(0);
  });

  it('ends with 1 and says what to do where the file cannot be replaced, and changes nothing', async () => {
    const [before, text] = [await versions(), readFileSync(keyFile, 'utf8')];
    // Older than any rotation takes, and no file that could be taken away.
    mkdirSync(`${keyFile}.new`);
    utimesSync(`${keyFile}.new`, 1, 1);
    const { code, stdout, stderr } = await run('rotate');
    rmdirSync(`${keyFile}.new`);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/cannot be replaced \(EPERM\): rotate as its owner/);
    expect(readFileSync(keyFile, 'utf8')).toBe(text);
    expect(await versions()).toEqual(before);
    const [{ rotations }] = await service.db.query<[{ rotations: number }]>(
      `SELECT count(*)::int AS rotations FROM events WHERE event_type = 'master_key.rotated'`,
    );
    // One in the first test, two at once, one with damaged rows.
    expect(rotations).toBe(4);
  });
});
