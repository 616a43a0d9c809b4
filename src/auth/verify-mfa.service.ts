import { Injectable } from '@nestjs/common';
import { AppError } from '../common/app-error';
import { Caller } from '../common/caller';
import { mfaNotEnabled } from '../mfa/mfa.errors';
import { SecondFactor } from '../mfa/second-factor.service';
import { SecondFactorMethod } from '../infra/events/event-types';
import { TokenDelivery } from './sign-in-wish.dto';
import { invalidMfaToken } from './auth.errors';
import { MfaChallenge, MfaChallenges } from './mfa-challenges';
import { VerifyMfaBody } from './mfa.dto';
import { SignedIn, SignIn } from './sign-in.service';

export interface VerifiedMfa extends Pick<MfaChallenge, 'delivery' | 'isNewUser'> {
  outcome: SignedIn;
}

/** Finishes a sign-in with the second factor. */
@Injectable()
export class VerifyMfa {
  constructor(
    private readonly challenges: MfaChallenges,
    private readonly factor: SecondFactor,
    private readonly signIn: SignIn,
  ) {}

  /**
   * @param allows throws where the tokens can't be delivered as the sign-in asked; called before the code is looked at.
   * @throws invalid_mfa_token also when the account changed meanwhile; invalid_mfa_code, rate_limited, second_factor_damaged
   */
  async run(
    caller: Caller,
    { mfa_token, code }: VerifyMfaBody,
    allows: (delivery: TokenDelivery) => void,
  ): Promise<VerifiedMfa> {
    const challenge = await this.challenges.try(mfa_token);
    if (!challenge) throw invalidMfaToken();
    const { proved, wish, delivery, isNewUser } = challenge;
    allows(delivery);
    const secondFactor = await this.prove(caller, proved.userId, code);
    // Two different codes can be right at once; one challenge opens one session.
    if (!(await this.challenges.close(mfa_token))) throw invalidMfaToken();
    const outcome = await this.signIn.open(caller, { ...proved, secondFactor }, wish);
    return { outcome, delivery, isNewUser };
  }

  private async prove(caller: Caller, userId: string, code: string): Promise<SecondFactorMethod> {
    try {
      return (await this.factor.prove(caller, userId, code)).method;
    } catch (error) {
      // The factor was taken off since: the sign-in begins again, without it.
      if (error instanceof AppError && error.code === mfaNotEnabled.code) throw invalidMfaToken();
      throw error;
    }
  }
}
