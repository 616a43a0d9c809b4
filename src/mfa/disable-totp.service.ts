import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AuthenticatedCaller } from '../common/caller';
import { notAuthenticated, validationFailed } from '../common/common.errors';
import { AccountMails } from '../identities/account-mails.service';
import { Identities } from '../identities/identities.service';
import { User } from '../identities/user.entity';
import { CurrentPassword } from '../passwords/current-password.service';
import { mfaDisabledMail } from './mfa-disabled.mail';
import { DisableTotpBody, DisableTotpReply } from './mfa.dto';
import { mfaNotEnabled } from './mfa.errors';
import { RemoveSecondFactor } from './remove-second-factor.service';
import { SecondFactor } from './second-factor.service';

/** Turns the second factor off, for whoever has both factors. */
@Injectable()
export class DisableTotp {
  constructor(
    private readonly db: EntityManager,
    private readonly identities: Identities,
    private readonly passwords: CurrentPassword,
    private readonly factor: SecondFactor,
    private readonly removal: RemoveSecondFactor,
    private readonly mails: AccountMails,
  ) {}

  /**
   * The sessions stay; they have proved more than they need now.
   * @throws mfa_not_enabled, second_factor_damaged, validation_failed (no password), invalid_current_password, invalid_mfa_code,
   * rate_limited, hashing_busy
   */
  async run(caller: AuthenticatedCaller, { password, code }: DisableTotpBody): Promise<DisableTotpReply> {
    const { userId } = caller;
    const user = await this.identities.findById(userId);
    if (!user) throw notAuthenticated();
    if (!user.mfaEnabled) throw mfaNotEnabled();
    await this.checkPassword(user, password);
    const { factor } = await this.factor.prove(caller, userId, code);
    await this.db.transaction(async (tx) => {
      // One that took its place since asks for a code of its own.
      if (!(await this.removal.forgetThis(tx, caller, userId, factor))) throw mfaNotEnabled();
      await this.mails.enqueue(tx, mfaDisabledMail, { user_id: userId }, { reason: 'disabled' });
    });
    return { mfa_enabled: false };
  }

  /** An account without a password has the code alone. */
  private async checkPassword(user: User, password: string | undefined): Promise<void> {
    if (user.passwordHash === null) return;
    if (password === undefined)
      throw validationFailed({ fields: [{ field: 'password', message: 'password is missing' }] });
    await this.passwords.check(user, password);
  }
}
