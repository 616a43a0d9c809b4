import { randomBytes } from 'node:crypto';
import { Clock } from '../src/common/clock';
import { unavailable } from '../src/common/common.errors';
import { newId } from '../src/common/ids';
import { IntegrityError } from '../src/infra/kms/integrity-error';
import { Kms } from '../src/infra/kms/kms';
import { AccountKey, DataKeys } from '../src/trading-accounts/vault/data-keys';

/** Wraps by adding the context in front; keeps the buffers it has handed out or was given. */
class OpenKms implements Kms {
  readonly provider = 'open';
  /** What it gave away: the very buffers. */
  readonly given: Buffer[] = [];
  /** What it was asked to wrap: the very buffers. */
  readonly taken: Uint8Array[] = [];
  unwraps = 0;
  /** Unwraps wait for it. */
  gate: Promise<void> = Promise.resolve();
  isAway = false;

  async wrap(secret: Uint8Array, context: string): Promise<Buffer> {
    this.taken.push(secret);
    if (this.isAway) throw unavailable();
    return Buffer.concat([Buffer.from(`${context}|`), secret]);
  }

  async unwrap(wrapped: Uint8Array, context: string): Promise<Buffer> {
    this.unwraps++;
    await this.gate;
    if (this.isAway) throw unavailable();
    const begin = `${context}|`;
    const bytes = Buffer.from(wrapped);
    if (!bytes.toString('latin1').startsWith(begin)) throw new IntegrityError('the wrapped secret');
    const plain = Buffer.from(bytes.subarray(begin.length));
    this.given.push(plain);
    return plain;
  }

  async currentVersion(): Promise<string> {
    return '1';
  }

  async rotate(): Promise<string> {
    return '2';
  }
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
const copy = (plain: Uint8Array): string => Buffer.from(plain).toString('hex');

describe('data keys', () => {
  let kms: OpenKms;
  let now: number;
  let keys: DataKeys;
  beforeEach(() => {
    kms = new OpenKms();
    now = Date.now();
    const clock = new Clock();
    clock.now = () => now;
    keys = new DataKeys(kms, clock);
  });
  afterEach(() => keys.onApplicationShutdown());

  const wrappedFor = (accountId: string, plain = randomBytes(32)): AccountKey => ({
    accountId,
    userId: 'owner',
    wrappedDataKey: Buffer.concat([Buffer.from(`trading-account:${accountId}|`), plain]),
  });
  const someKey = (): AccountKey => wrappedFor(newId());

  it('are 32 random bytes, wrapped for their account, and zeroed at once', async () => {
    const [one, other] = [await keys.create('a', 'owner'), await keys.create('a', 'owner')];
    expect([one.accountId, one.userId]).toEqual(['a', 'owner']);
    expect(one.wrappedDataKey.toString('latin1')).toMatch(/^trading-account:a\|[^]{32}$/);
    expect(one.wrappedDataKey).not.toEqual(other.wrappedDataKey);
    expect(isZero(one.wrappedDataKey.subarray(-32))).toBe(false);
    expect(kms.taken.map(isZero)).toEqual([true, true]);
  });

  it('are zeroed too where they could not be wrapped', async () => {
    kms.isAway = true;
    await expect(keys.create('a', 'owner')).rejects.toMatchObject({ code: 'unavailable' });
    expect(kms.taken.map(isZero)).toEqual([true]);
  });

  it('end a minute after they were asked for, not after their last use', async () => {
    const key = someKey();
    const since = now;
    await keys.use(key, copy);
    for (let age = 5_000; age < 60_000; age += 5_000) {
      now = since + age;
      await keys.use(key, copy);
    }
    expect([kms.unwraps, isZero(kms.given[0]!)]).toEqual([1, false]);
    now = since + 60_000;
    await keys.use(key, copy);
    expect([kms.unwraps, isZero(kms.given[0]!), isZero(kms.given[1]!)]).toEqual([2, true, false]);
  });

  it('do not live longer by a slow answer, nor by a clock that was put back', async () => {
    const key = someKey();
    let open = (): void => undefined;
    kms.gate = new Promise((resolve) => (open = resolve));
    const use = keys.use(key, copy);
    await Promise.resolve();
    now += 59_000;
    open();
    await use;
    now += 1_000;
    await keys.use(key, copy);
    expect(kms.unwraps).toBe(2);
    now -= 1;
    await keys.use(key, copy);
    expect(kms.unwraps).toBe(3);
    expect(kms.given.map(isZero)).toEqual([true, true, false]);
  });

  it('go by themselves when nobody asks again', async () => {
    // The cache has kept the real `performance`, which fake timers would replace.
    jest.useFakeTimers({ doNotFake: ['performance'] });
    const elapsed = jest.spyOn(performance, 'now').mockImplementation(() => Date.now());
    try {
      keys = new DataKeys(kms, new Clock());
      await keys.use(someKey(), copy);
      await jest.advanceTimersByTimeAsync(59_000);
      expect(isZero(kms.given[0]!)).toBe(false);
      await jest.advanceTimersByTimeAsync(1_100);
      expect(isZero(kms.given[0]!)).toBe(true);
    } finally {
      elapsed.mockRestore();
      jest.useRealTimers();
    }
  });

  it('are a thousand at most: the one that was used longest ago goes, zeroed', async () => {
    const all = Array.from({ length: 1_001 }, someKey);
    for (const key of all) await keys.use(key, copy);
    expect(kms.given.filter(isZero)).toEqual([kms.given[0]]);
    await keys.use(all[1]!, copy);
    expect(kms.unwraps).toBe(1_001);
    await keys.use(all[0]!, copy);
    expect(kms.unwraps).toBe(1_002);
  });

  it('are zeroed when the service stops, those under way as well', async () => {
    await keys.use(someKey(), copy);
    let open = (): void => undefined;
    kms.gate = new Promise((resolve) => (open = resolve));
    const late = keys.use(someKey(), copy);
    await Promise.resolve();
    keys.onApplicationShutdown();
    expect(isZero(kms.given[0]!)).toBe(true);
    open();
    await late;
    expect(isZero(kms.given[1]!)).toBe(true);
  });

  it('are asked for once by all who need one at the same time', async () => {
    const key = someKey();
    const plains = await Promise.all(Array.from({ length: 50 }, () => keys.use(key, copy)));
    expect([kms.unwraps, new Set(plains).size]).toEqual([1, 1]);
    expect(plains[0]).toBe(key.wrappedDataKey.subarray(-32).toString('hex'));
  });

  it('fail for all who wait, and are asked for anew afterwards', async () => {
    const key = someKey();
    kms.isAway = true;
    const all = await Promise.allSettled(Array.from({ length: 5 }, () => keys.use(key, copy)));
    expect(all.map(({ status }) => status)).toEqual(Array(5).fill('rejected'));
    expect(kms.unwraps).toBe(1);
    kms.isAway = false;
    await keys.use(key, copy);
    expect(kms.unwraps).toBe(2);
  });

  it('serve from memory while the KMS is away, until their minute is over', async () => {
    const key = someKey();
    await keys.use(key, copy);
    kms.isAway = true;
    now += 59_999;
    await keys.use(key, copy);
    now += 1;
    await expect(keys.use(key, copy)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('are never served for another wrapped key of the same account', async () => {
    const old = someKey();
    const replaced = wrappedFor(old.accountId);
    const plain = await keys.use(old, copy);
    expect(await keys.use(replaced, copy)).toBe(replaced.wrappedDataKey.subarray(-32).toString('hex'));
    expect(isZero(kms.given[0]!)).toBe(true);
    expect(await keys.use(old, copy)).toBe(plain);
    const both = await Promise.all([keys.use(old, copy), keys.use(replaced, copy), keys.use(old, copy)]);
    expect(both).toEqual([plain, replaced.wrappedDataKey.subarray(-32).toString('hex'), plain]);
  });

  it('are not taken from another account', async () => {
    const key = someKey();
    await keys.use(key, copy);
    await expect(keys.use({ ...key, accountId: newId() }, copy)).rejects.toThrow(IntegrityError);
  });

  it.each([0, 16, 31, 33, 64])('are refused with %i bytes, and zeroed', async (length) => {
    const key = wrappedFor(newId(), Buffer.alloc(length, 7));
    await expect(keys.use(key, copy)).rejects.toThrow(IntegrityError);
    expect(kms.given.map(isZero)).toEqual([true]);
  });

  it('leave at once when the account is gone, and are not kept by an answer that comes after', async () => {
    const key = someKey();
    await keys.use(key, copy);
    keys.forget(key.accountId);
    expect(isZero(kms.given[0]!)).toBe(true);
    let open = (): void => undefined;
    kms.gate = new Promise((resolve) => (open = resolve));
    const uses = [keys.use(key, copy), keys.use(key, copy)];
    await Promise.resolve();
    keys.forget(key.accountId);
    open();
    const plain = key.wrappedDataKey.subarray(-32).toString('hex');
    expect(await Promise.all(uses)).toEqual([plain, plain]);
    expect(isZero(kms.given[1]!)).toBe(true);
    await keys.use(key, copy);
    expect(kms.unwraps).toBe(3);
  });

  it('are whole for everybody who was promised one, whatever leaves the cache meanwhile', async () => {
    const key = someKey();
    const plain = key.wrappedDataKey.subarray(-32).toString('hex');
    const uses = Array.from({ length: 20 }, (_, i) =>
      keys.use(key, (bytes) => {
        if (i === 0) keys.forget(key.accountId);
        return copy(bytes);
      }),
    );
    expect(await Promise.all(uses)).toEqual(Array(20).fill(plain));
    expect(isZero(kms.given[0]!)).toBe(true);
  });

  it('are let go of where the work fails', async () => {
    const key = someKey();
    const failing = keys.use(key, () => {
      throw new Error('broken');
    });
    await expect(failing).rejects.toThrow('broken');
    keys.forget(key.accountId);
    expect(isZero(kms.given[0]!)).toBe(true);
  });
});
