import { Inject, Injectable } from '@nestjs/common';
import { Redis } from 'ioredis';
import { IntegrityError } from '../infra/kms/integrity-error';
import { KMS, Kms } from '../infra/kms/kms';
import { KmsEvents } from '../infra/kms/kms-events';
import { secondFactorDamaged } from './mfa.errors';
import { newTotpSecret } from './totp';

const PENDING_SECONDS = 600;

export interface TotpSecret {
  /** Base32. */
  secret: string;
  /** Under the master key, for this user alone. */
  wrapped: Buffer;
}

/** Secrets of authenticators, under the master key wherever they rest; new ones wait in Redis to be confirmed. */
@Injectable()
export class TotpSecrets {
  static readonly pendingSeconds = PENDING_SECONDS;

  constructor(
    @Inject(KMS) private readonly kms: Kms,
    private readonly redis: Redis,
    private readonly events: KmsEvents,
  ) {}

  /** Makes a secret and keeps it for ten minutes, in place of one that waits already. @returns it, in base32. */
  async propose(userId: string): Promise<string> {
    const secret = newTotpSecret();
    const wrapped = await this.kms.wrap(Buffer.from(secret), totpContext(userId));
    await this.redis.set(key(userId), wrapped.toString('base64'), 'EX', PENDING_SECONDS);
    return secret;
  }

  /** The one that waits; null where there is none, no longer, or another than was put there. */
  async proposed(userId: string): Promise<TotpSecret | null> {
    const text = await this.redis.get(key(userId));
    if (text === null) return null;
    const wrapped = Buffer.from(text, 'base64');
    const secret = await this.opened(userId, wrapped);
    return secret === null ? null : { secret, wrapped };
  }

  async forgetProposed(userId: string): Promise<void> {
    await this.redis.del(key(userId));
  }

  /** @throws second_factor_damaged, unavailable */
  async unwrap(userId: string, wrapped: Uint8Array): Promise<string> {
    const secret = await this.opened(userId, wrapped);
    if (secret === null) throw secondFactorDamaged();
    return secret;
  }

  /** Null where it is not what was wrapped for this user, which is on record then. */
  private async opened(userId: string, wrapped: Uint8Array): Promise<string | null> {
    try {
      const bytes = await this.kms.unwrap(wrapped, totpContext(userId));
      const secret = bytes.toString();
      bytes.fill(0);
      return secret;
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      await this.events.damaged('totp_factors', userId);
      return null;
    }
  }
}

/** What a user's secret is wrapped for. */
export const totpContext = (userId: string): string => `totp:${userId}`;

/** The hash tag keeps a user's keys on one node of a cluster. */
const key = (userId: string): string => `totp-setup:{${userId}}`;
