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

  const ringOn = (provider: string, failure: Error, background = true): KeyRing => {
    const row = { kid: 'k1', use: 'opaque', alg: 'HS256', wrappedSecret: Buffer.alloc(40), revokedAt: null };
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
