import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { SecondFactorMethod } from '../infra/events/event-types';
import { backupCodeHash } from './backup-codes';
import { BackupCodeUse } from './backup-code-use';
import { FactorRecord } from './factor-record';
import { FactorTries } from './factor-tries';
import { mfaNotEnabled } from './mfa.errors';
import { matchingStep } from './totp';
import { TotpSecret, TotpSecrets } from './totp-secrets';

export interface ProvedFactor {
  method: SecondFactorMethod;
  /** What the code was checked with. */
  factor: TotpSecret;
}

/** Checks codes, of the authenticator and backup codes, for everything that asks for one. */
@Injectable()
export class SecondFactor {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly secrets: TotpSecrets,
    private readonly record: FactorRecord,
    private readonly tries: FactorTries,
    private readonly backupCodes: BackupCodeUse,
  ) {}

  /**
   * Uses a code up. Whatever it is asked for comes afterwards: should that fail, the code is gone, and the next one
   * serves.
   * @throws invalid_mfa_code, mfa_not_enabled, rate_limited, second_factor_damaged
   */
  async prove(caller: Caller, userId: string, text: string): Promise<ProvedFactor> {
    return this.tries.attempt(caller, userId, text, async ({ method, value }) => {
      const factor = await this.load(userId);
      const isRight =
        method === 'totp'
          ? await this.acceptTotp(userId, factor, value)
          : await this.backupCodes.spend(caller, userId, backupCodeHash(factor.secret, value));
      return isRight ? { method, factor } : null;
    });
  }

  private async load(userId: string): Promise<TotpSecret> {
    const wrapped = await this.record.wrappedSecret(this.db, userId);
    if (!wrapped) throw mfaNotEnabled();
    return { wrapped, secret: await this.secrets.unwrap(userId, wrapped) };
  }

  private async acceptTotp(userId: string, { secret, wrapped }: TotpSecret, code: string): Promise<boolean> {
    const step = matchingStep(secret, code, this.clock.now());
    return step !== null && this.record.acceptStep(this.db, userId, wrapped, step);
  }
}
