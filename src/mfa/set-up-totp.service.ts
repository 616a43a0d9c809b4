import { Inject, Injectable } from '@nestjs/common';
import { AuthenticatedCaller } from '../common/caller';
import { featureDisabled, notAuthenticated } from '../common/common.errors';
import { CONFIG, Config } from '../config/config';
import { Identities } from '../identities/identities.service';
import { Limits } from '../infra/limits/limits';
import { TotpSetupReply } from './mfa.dto';
import { mfaAlreadyEnabled } from './mfa.errors';
import { provisioningUri } from './totp';
import { totpPicture } from './totp-picture';
import { TotpSecrets } from './totp-secrets';

/** Each draws a picture and asks the KMS. */
const SETUPS = { name: 'totp-setup', points: 20, seconds: 900 };

/** Makes a secret for an authenticator. It counts for nothing until a code of it is entered. */
@Injectable()
export class SetUpTotp {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly limits: Limits,
    private readonly identities: Identities,
    private readonly secrets: TotpSecrets,
  ) {}

  /** @throws feature_disabled, mfa_already_enabled, rate_limited */
  async run({ userId }: AuthenticatedCaller): Promise<TotpSetupReply> {
    if (!this.config.FEATURE_MFA_TOTP) throw featureDisabled();
    await this.limits.consume([SETUPS, userId]);
    const user = await this.identities.findById(userId);
    if (!user?.email) throw notAuthenticated();
    if (user.mfaEnabled) throw mfaAlreadyEnabled();
    const secret = await this.secrets.propose(userId);
    const uri = provisioningUri(secret, { issuer: this.config.APP_NAME, account: user.email });
    return {
      secret,
      provisioning_uri: uri,
      qr_code: totpPicture(uri),
      expires_in: TotpSecrets.pendingSeconds,
    };
  }
}
