import { Logger } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DataSource } from 'typeorm';
import { unavailable } from '../src/common/common.errors';
import { advisoryLocks } from '../src/infra/database/advisory-locks';
import { whileHolding } from '../src/infra/database/while-holding';
import { KMS, Kms } from '../src/infra/kms/kms';
import { KmsEvents } from '../src/infra/kms/kms-events';
import { Rewrap, RewrapProgress } from '../src/infra/kms/rewrap.service';
import { RotateMasterKey } from '../src/infra/kms/rotate-master-key.service';
import { packWrapped, unpackWrapped, versionSql } from '../src/infra/kms/wrapped-secret';
import { eventually, startService, TestService } from './support/app';
import { addWrappedRows, setWrapped, wrappedOf, WrappedSecretRow } from './support/wrapped-rows';

/** More than one page. */
const MANY = 620;

let service: TestService;
let kms: Kms;
let keyFile: string;
let rewrap: Rewrap;
const accounts: WrappedSecretRow[] = [];
const factors: WrappedSecretRow[] = [];

beforeAll(async () => {
  service = await startService();
  kms = service.app.get<Kms>(KMS);
  rewrap = service.app.get(Rewrap);
  keyFile = service.config.LOCAL_KMS_KEY_PATH;
  accounts.push(...(await addWrappedRows(service, kms, 'trading_accounts', 60)));
  factors.push(...(await addWrappedRows(service, kms, 'totp_factors', MANY)));
});
afterAll(() => service.stop());
afterEach(() => jest.restoreAllMocks());

const versions = async (): Promise<string[]> => {
  const counts = await rewrap.counts();
  return [...new Set(counts.map(({ version }) => version))].sort();
};
const rowsUnder = async (version: string): Promise<number> =>
  (await rewrap.counts())
    .filter((count) => count.version === version)
    .reduce((sum, { rows }) => sum + rows, 0);

describe('re-wrapping', () => {
  it('knows every column that is called wrapped, so that a rotation forgets none', async () => {
    const columns = await service.db.query<{ name: string }[]>(
      `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
       WHERE table_schema = 'public' AND column_name LIKE 'wrapped%' ORDER BY 1`,
    );
    expect(columns.map(({ name }) => name)).toEqual([
      'audit_exports.wrapped_data_key',
      'signing_keys.wrapped_secret',
      'totp_factors.wrapped_secret',
      'trading_accounts.wrapped_data_key',
      'webhooks.wrapped_previous_secret',
      'webhooks.wrapped_secret',
    ]);
    const tables = (await rewrap.counts()).map(({ table }) => table);
    expect([...new Set(tables)].sort()).toEqual(['signing_keys', 'totp_factors', 'trading_accounts']);
  });

  it('does nothing where everything is under the present version', async () => {
    const wrap = jest.spyOn(kms, 'wrap');
    const result = await rewrap.run();
    expect(result).toMatchObject({ version: '1', left: 0, rewrapped: new Map(), damaged: new Set() });
    expect(wrap).not.toHaveBeenCalled();
  });

  it('tells how far it is, table by table, and what it has done', async () => {
    const version = await kms.rotate();
    const told: RewrapProgress[] = [];
    const { rewrapped, left } = await rewrap.run({ onProgress: (progress) => told.push({ ...progress }) });
    expect(left).toBe(0);
    expect(Object.fromEntries(rewrapped)).toMatchObject({ totp_factors: MANY, trading_accounts: 60 });
    expect(told.filter(({ table }) => table === 'totp_factors').map(({ done }) => done)).toEqual(
      Array.from({ length: MANY }, (_, i) => i + 1),
    );
    expect(told.every(({ done, total }) => done <= total)).toBe(true);
    expect(await versions()).toEqual([version]);
    for (const row of [...accounts, ...factors.slice(0, 50)]) {
      expect(await kms.unwrap(await wrappedOf(service, row), row.context)).toEqual(row.secret);
    }
  });

  it('tells of a rotation before the first row is under it, where whoever made it could not, and once', async () => {
    const version = await kms.rotate();
    const other = await service.another();
    await Promise.all([
      rewrap.run(),
      other.app.get(Rewrap).run(),
      service.app.get(KmsEvents).rotated(version),
    ]);
    await other.app.get(Rewrap).run();
    await other.stop();
    const told = await service.db.query<unknown[]>(
      `SELECT actor, data FROM events WHERE event_type = 'master_key.rotated' AND subject = $1`,
      [`master_key:${version}`],
    );
    expect(told).toEqual([{ actor: 'system', data: { provider: 'local', version } }]);

    const events = service.app.get(KmsEvents);
    const next = await kms.rotate();
    jest.spyOn(events, 'rotated').mockRejectedValue(new Error('PostgreSQL is away'));
    await expect(rewrap.run()).rejects.toThrow('PostgreSQL is away');
    expect(await rowsUnder(next)).toBe(0);
    jest.restoreAllMocks();
    expect((await rewrap.run()).left).toBe(0);
  });

  it('is done once by two at the same time', async () => {
    await kms.rotate();
    const other = await service.another();
    const results = await Promise.all([rewrap.run(), other.app.get(Rewrap).run()]);
    await other.stop();
    const done = results.map(({ rewrapped }) => rewrapped.get('totp_factors') ?? 0);
    expect(done[0]! + done[1]!).toBeLessThanOrEqual(MANY);
    expect(results.map(({ left }) => left)).toEqual([0, 0]);
    expect(await versions()).toHaveLength(1);
  });

  it('leaves a row alone that somebody changes meanwhile', async () => {
    const [row] = accounts;
    const version = await kms.rotate();
    const theirs = Buffer.from('what somebody else has written');
    const unwrap = kms.unwrap.bind(kms);
    const spy = jest.spyOn(kms, 'unwrap').mockImplementation(async (wrapped, context) => {
      const secret = await unwrap(wrapped, context);
      if (context === row!.context) {
        spy.mockRestore();
        await setWrapped(service, row!, await kms.wrap(theirs, context));
      }
      return secret;
    });
    expect(await rewrap.run()).toMatchObject({ version, left: 0 });
    expect(await kms.unwrap(await wrappedOf(service, row!), row!.context)).toEqual(theirs);
    row!.secret = theirs;
  });

  it('finds in another pass what an instance has stored that had wrapped it before the rotation', async () => {
    const [first, last] = [factors[0]!, factors.at(-1)!];
    const old = await kms.wrap(first.secret, first.context);
    const version = await kms.rotate();
    let stored: Promise<void> | undefined;
    const result = await rewrap.run({
      onProgress: ({ table, done }) => {
        if (table === 'totp_factors' && done === MANY) stored ??= setWrapped(service, first, old);
      },
    });
    await stored;
    expect(result).toMatchObject({ version, left: 0 });
    expect(unpackWrapped(await wrappedOf(service, first)).version).toBe(version);
    expect(await kms.unwrap(await wrappedOf(service, last), last.context)).toEqual(last.secret);
  });

  it('stops where the provider goes away, tells which, and goes on later', async () => {
    const before = await kms.currentVersion();
    const version = await kms.rotate();
    const unwrap = kms.unwrap.bind(kms);
    let asked = 0;
    jest.spyOn(kms, 'unwrap').mockImplementation((wrapped, context) => {
      if (++asked > 300) throw unavailable({ cause: new Error('connect ECONNREFUSED') });
      return unwrap(wrapped, context);
    });
    await expect(rewrap.run()).rejects.toThrow(
      /^the KMS \(local\) cannot answer, what is done stays done: .*connect ECONNREFUSED/,
    );
    jest.restoreAllMocks();
    expect(await rowsUnder(version)).toBeGreaterThanOrEqual(290);
    expect(await rowsUnder(before)).toBeGreaterThan(MANY - 300);
    const { rewrapped, left } = await rewrap.run();
    expect(left).toBe(0);
    expect(rewrapped.get('totp_factors')).toBeLessThan(MANY);
  });

  it('ends when it is told to, after the rows in hand', async () => {
    await kms.rotate();
    const stop = new AbortController();
    const { rewrapped, left } = await rewrap.run({ signal: stop.signal, onProgress: () => stop.abort() });
    const done = [...rewrapped.values()].reduce((sum, rows) => sum + rows, 0);
    expect(done).toBeLessThanOrEqual(4);
    expect(left).toBeGreaterThan(MANY - 10);
    expect((await rewrap.run()).left).toBe(0);
  });

  it('puts nothing back under the old version where a machine has not got the new one in force yet', async () => {
    const elsewhere = join(dirname(keyFile), 'elsewhere.key');
    const version = await service.app.get(RotateMasterKey).prepare();
    expect(await kms.currentVersion()).not.toBe(version);
    copyFileSync(keyFile, elsewhere);
    const other = await service.another({ LOCAL_KMS_KEY_PATH: elsewhere });
    expect(await service.app.get(RotateMasterKey).run()).toBe(version);
    await rewrap.run();
    expect(await other.app.get(Rewrap).run()).toMatchObject({ version, left: 0 });
    expect(await versions()).toEqual([version]);
    expect(readFileSync(elsewhere, 'utf8')).toContain(`next:${version}:`);
    await other.stop();
  });

  it('is not prepared where the provider keeps the key in one place', async () => {
    const remote = { provider: 'vault' } as Kms;
    const rotation = new RotateMasterKey(remote, service.app.get(KmsEvents, { strict: false }));
    await expect(rotation.prepare()).rejects.toThrow(
      'the master key of vault is everywhere at once: rotate without --prepare',
    );
  });

  it('tells PostgreSQL the very version that unwrapping reads, and none of what is damaged', async () => {
    const good = await kms.wrap(Buffer.from('x'), 'y');
    const blobs = [good, Buffer.from([1, 2, 3]), Buffer.alloc(0), Buffer.from([1]), Buffer.from([2])];
    for (let length = 0; length < 8; length++) blobs.push(good.subarray(0, length));
    for (const version of ['', 'arn:aws:1', 'a'.repeat(100), '\\', '\0', 'é']) {
      const name = Buffer.from(version);
      blobs.push(Buffer.concat([Buffer.from([2, name.length]), name, Buffer.from('body')]));
    }
    for (let i = 0; i < 200; i++) blobs.push(Buffer.from([2, i % 12, ...Buffer.from(`${i}:${i * 7919}`)]));
    const rows = await service.db.query<{ version: string }[]>(
      `SELECT ${versionSql('blob')} AS version FROM unnest($1::bytea[]) WITH ORDINALITY AS t (blob, n) ORDER BY n`,
      [blobs],
    );
    for (const [i, blob] of blobs.entries()) {
      let expected: string | null = null;
      try {
        expected = blob.length > 1 ? unpackWrapped(blob).version : null;
      } catch {
        // Damaged.
      }
      if (expected !== null) expect(rows[i]!.version).toBe(expected);
      else expect(rows[i]!.version).not.toMatch(/^[\w.:-]+$/);
    }
  });
});

describe('the schedule of re-wrapping', () => {
  it('finishes what was left when the service starts, and logs how much', async () => {
    const log = jest.spyOn(Logger.prototype, 'log').mockReturnValue();
    const version = await kms.rotate();
    const [one, other] = [await service.another(), await service.another()];
    await eventually(async () => (await versions()).join() === version, 'the schedule', 20_000);
    await one.stop();
    await other.stop();
    const told = log.mock.calls.flat().filter((line) => /of the master key now$/.test(String(line)));
    expect(told).toContain(
      `${MANY} secrets in totp_factors are under version ${version} of the master key now`,
    );
  });

  it('names rows that are damaged, or under a version whose key is not here, and goes on with the others', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const [cut, foreign] = [accounts[1]!, accounts[2]!];
    const before = [await wrappedOf(service, cut), await wrappedOf(service, foreign)] as const;
    await setWrapped(service, cut, before[0].subarray(0, -1));
    await setWrapped(service, foreign, packWrapped({ version: '99999', body: randomBytes(60) }));
    const version = await kms.rotate();
    const other = await service.another();
    const logged = (): string[] => error.mock.calls.map(([line]) => String(line));
    await eventually(async () => logged().some((line) => line.includes(foreign.id)), 'the log', 20_000);
    await other.stop();
    expect(logged()).toContain(`trading_accounts ${cut.id} holds another secret than was wrapped for it`);
    expect(logged()).toContain(
      `1 wrapped secrets are under a version whose key is not here: trading_accounts ${foreign.id}`,
    );
    expect(await rowsUnder(version)).toBeGreaterThanOrEqual(MANY + 58);
    await setWrapped(service, cut, before[0]);
    await setWrapped(service, foreign, before[1]);
    expect((await rewrap.run()).left).toBe(0);
  });

  it('runs in one process at a time, and in the next when that one is done or dead', async () => {
    const source = service.app.get(DataSource);
    const hold = <T>(work: () => Promise<T>) => whileHolding(source, advisoryLocks.rewrap, work);
    let free: (() => void) | undefined;
    // A service of another test may have it for a moment yet.
    const held = eventually(
      () => hold(() => new Promise<string>((resolve) => (free = () => resolve('done')))),
      'the lock',
      20_000,
    );
    await eventually(async () => free, 'the lock', 20_000);
    expect(await hold(async () => 'mine')).toBeNull();
    free!();
    expect(await held).toBe('done');
    await expect(hold(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await hold(async () => 'mine')).toBe('mine');

    const dead = hold(async () => {
      await source.query(
        `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        [...advisoryLocks.rewrap],
      );
      return eventually(async () => hold(async () => 'another'), 'the lock of the dead');
    });
    expect(await dead).toBe('another');
  });
});
