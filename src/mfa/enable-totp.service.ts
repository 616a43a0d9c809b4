import { Inject, Injectable } from '@nestjs/common';
import { AuthenticatedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { featureDisabled, notAuthenticated } from '../common/common.errors';
import { CONFIG, Config } from '../config/config';
import { Identities } from '../identities/identities.service';
import { EnableTotpRecord } from './enable-totp-record';
import { FactorTries } from './factor-tries';
import { EnableTotpReply, MfaCodeBody } from './mfa.dto';
import { mfaAlreadyEnabled, mfaSetupRequired } from './mfa.errors';
import { matchingStep } from './totp';
import { TotpSecrets } from './totp-secrets';

/** Turns the second factor on, for whoever shows that the authenticator works. */
@Injectable()
export class EnableTotp {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
    private readonly identities: Identities,
    private readonly secrets: TotpSecrets,
    private readonly tries: FactorTries,
    private readonly record: EnableTotpRecord,
  ) {}

  /**
   * Every other session ends: it has not proved the factor. Should Redis fail after the commit, the event relay ends
   * them later. A refresh of this one before that ends it too; the authenticator is known to work by then, and a code of
   * it makes new backup codes, so that neither an outage nor a lost reply locks anybody out.
   * @throws invalid_access_token when the session was ended just now, feature_disabled, mfa_already_enabled, mfa_setup_required, invalid_mfa_code, rate_limited
   */
  async run(caller: AuthenticatedCaller, { code }: MfaCodeBody): Promise<EnableTotpReply> {
    if (!this.config.FEATURE_MFA_TOTP) throw featureDisabled();
    const { userId } = caller;
    const confirmed = await this.tries.attempt(caller, userId, code, async ({ method, value }) => {
      const user = await this.identities.findById(userId);
      if (!user) throw notAuthenticated();
      if (user.mfaEnabled) throw mfaAlreadyEnabled();
      const proposed = await this.secrets.proposed(userId);
      if (!proposed) throw mfaSetupRequired();
      const step = method === 'totp' ? matchingStep(proposed.secret, value, this.clock.now()) : null;
      return step === null ? null : { ...proposed, step };
    });
    const backupCodes = await this.record.write(caller, confirmed);
    // It goes by itself soon.
    await this.secrets.forgetProposed(userId).catch(() => {});
    return { mfa_enabled: true, backup_codes: backupCodes };
  }
}
