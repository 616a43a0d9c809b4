import { Injectable } from '@nestjs/common';
import { AuthenticatedCaller } from '../common/caller';
import { MfaCodeBody, VerifyTotpReply } from './mfa.dto';
import { SecondFactor } from './second-factor.service';
import { VerificationTokens } from './verification-tokens';

/** Exchanges a code for a verification token, which a sensitive call then asks for. */
@Injectable()
export class VerifyTotp {
  constructor(
    private readonly factor: SecondFactor,
    private readonly tokens: VerificationTokens,
  ) {}

  /** @throws mfa_not_enabled, invalid_mfa_code, rate_limited, second_factor_damaged */
  async run(caller: AuthenticatedCaller, { code }: MfaCodeBody): Promise<VerifyTotpReply> {
    const { method } = await this.factor.prove(caller, caller.userId, code);
    return {
      verified: true,
      method,
      verification_token: await this.tokens.issue(caller),
      expires_in: VerificationTokens.lifeSeconds,
    };
  }
}
