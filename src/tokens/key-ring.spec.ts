import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { unavailable } from '../common/common.errors';
import { Clock } from '../common/clock';
import { loadConfig } from '../config/config';
import { IntegrityError } from '../infra/kms/integrity-error';
import { Kms } from '../infra/kms/kms';
import { KeyRing } from './key-ring';
import { SigningKeys } from './signing-keys.service';

describe('a signing key that cannot be unwrapped', () => {
  beforeAll(() => Logger.overrideLogger(false));

  const ringOn = (provider: string, failure: Error, background = true, use = 'opaque'): KeyRing => {
    const row = { kid: 'k1', use, alg: 'HS256', wrappedSecret: Buffer.alloc(40), revokedAt: null };
    return new KeyRing(
      loadConfig({ LOCAL_KMS_KEY_PATH: 'keys/mine.key' }),
      { provider, unwrap: () => Promise.reject(failure) } as unknown as Kms,
      new Clock(),
      { find: async () => [{ ...row, activatesAt: new Date(0) }] } as unknown as EntityManager,
      { tokenLife: () => 1, ensure: async () => undefined } as unknown as SigningKeys,
      background,
    );
  };

  it('is told with the master key and its provider', async () => {
    await expect(ringOn('local', new IntegrityError('it')).onModuleInit()).rejects.toThrow(
      'signing key k1, under the master key keys/mine.key (local), is not what was wrapped, or the master key was replaced',
    );
  });

  it('does not keep a command from starting, which may be there to replace it', async () => {
    const ring = ringOn('local', new IntegrityError('it'), false);
    await ring.onModuleInit();
    ring.onApplicationShutdown();
    expect(() => ring.signer('opaque')).toThrow(unavailable().message);
  });

  it('keeps nobody from starting where it is only to sign the seals of days to come', async () => {
    const ring = ringOn('local', new IntegrityError('it'), true, 'audit');
    await ring.onModuleInit();
    ring.onApplicationShutdown();
    expect(() => ring.signer('audit')).toThrow(unavailable().message);
  });

  it('does not look like a change where only the provider is away', async () => {
    const away = unavailable({ cause: new Error('ECONNREFUSED') });
    const error = await ringOn('vault', away)
      .onModuleInit()
      .catch((thrown: Error) => thrown);
    expect((error as Error).message).toMatch(
      /^signing key k1, .*\(vault\), could not be asked for: .*ECONNREFUSED/,
    );
    expect((error as Error).message).not.toContain('replaced');
    expect((error as Error).cause).toBe(away);
  });
});

describe('a ring of keys', () => {
  /** Rows of HMAC keys, of which `unwrap` gives the secrets. */
  const ringOf = (
    rows: { kid: string; activatesAt: Date; revokedAt: Date | null }[],
    unwrap: Kms['unwrap'],
  ) =>
    new KeyRing(
      loadConfig({}),
      { provider: 'local', unwrap } as unknown as Kms,
      new Clock(),
      {
        find: async () =>
          rows.map((row) => ({ use: 'opaque', alg: 'HS256', wrappedSecret: Buffer.alloc(40), ...row })),
      } as unknown as EntityManager,
      { tokenLife: () => 1e15, ensure: async () => undefined } as unknown as SigningKeys,
      true,
    );
  const minutesAgo = (minutes: number): Date => new Date(Date.now() - minutes * 60_000);
  const secret = (): Buffer => randomBytes(32);

  it('starts where the key before signs on, for one that runs does so too', async () => {
    const rows = ['k2', 'k1'].map((kid, i) => ({
      kid,
      activatesAt: minutesAgo(1 + 60 * i),
      revokedAt: null,
    }));
    const ring = ringOf(rows, async (_wrapped, context) => {
      if (context.includes('k2')) throw new IntegrityError('it');
      return secret();
    });
    await ring.onModuleInit();
    ring.onApplicationShutdown();
    expect(ring.signer('opaque').kid).toBe('k1');
  });

  describe('while the KMS hangs', () => {
    const HANGS_MS = 1_500;
    let hangsMs = HANGS_MS;
    let ring: KeyRing;
    beforeEach(async () => {
      hangsMs = HANGS_MS;
      const rows = [{ kid: 'k1', activatesAt: minutesAgo(60), revokedAt: null }];
      ring = ringOf(rows, async (_wrapped, context) => {
        if (context.includes('k1')) return secret();
        await sleep(hangsMs);
        if (hangsMs === HANGS_MS) throw unavailable();
        return secret();
      });
      await ring.load();
      rows.unshift({ kid: 'k2', activatesAt: minutesAgo(1), revokedAt: null });
    });

    it('says soon that a key is not there, whatever waits for the KMS', async () => {
      void ring.load();
      const asked = performance.now();
      expect(await ring.findVerifier('opaque', ({ kid }) => kid === 'nobody')).toBeUndefined();
      expect(performance.now() - asked).toBeLessThan(1_300);
    });

    it('says soon that the secret of a new key is not there, and waits for one that is only slow', async () => {
      const asked = performance.now();
      const late = await ring.findVerifier('opaque', ({ kid }) => kid === 'k2');
      expect(() => ring.secretOf(late!)).toThrow(unavailable().message);
      expect(performance.now() - asked).toBeLessThan(1_900);
      // What was asked before is over.
      await ring.load();
      hangsMs = 50;
      void ring.load();
      await new Promise(setImmediate);
      const found = await ring.findVerifier('opaque', ({ kid }) => kid === 'k2');
      expect(ring.secretOf(found!)).toBeTruthy();
    });
  });

  it('signs with the key before, as long as that is believed, where the next cannot be unwrapped', async () => {
    const before = { kid: 'k1', activatesAt: minutesAgo(60), revokedAt: null as Date | null };
    const rows = [before];
    const ring = ringOf(rows, async (_wrapped, context) => {
      if (context.includes('k2')) throw unavailable();
      return secret();
    });
    await ring.load();
    rows.unshift({ kid: 'k2', activatesAt: minutesAgo(1), revokedAt: null });
    await ring.load();
    expect(ring.signer('opaque').kid).toBe('k1');
    before.revokedAt = minutesAgo(0);
    await ring.load();
    expect(() => ring.signer('opaque')).toThrow(unavailable().message);
  });

  it('is as the latest reading says, whichever took longest', async () => {
    const leaked = { kid: 'k1', activatesAt: minutesAgo(60), revokedAt: null as Date | null };
    const rows = [leaked];
    let fail: (error: Error) => void = () => undefined;
    const ring = ringOf(rows, async (_wrapped, context) => {
      if (context.includes('slow')) await new Promise((_, reject) => (fail = reject));
      return secret();
    });
    await ring.load();
    rows.unshift({ kid: 'slow', activatesAt: minutesAgo(-5), revokedAt: null });
    const first = ring.load();
    await new Promise(setImmediate);
    leaked.revokedAt = minutesAgo(0);
    rows.splice(0, 1, { kid: 'k2', activatesAt: minutesAgo(0), revokedAt: null });
    const second = ring.load();
    await new Promise(setImmediate);
    fail(unavailable());
    await Promise.all([first, second]);
    expect(ring.signer('opaque').kid).toBe('k2');
    expect(ring.verifier('opaque', 'k1')).toBeUndefined();
  });
});
