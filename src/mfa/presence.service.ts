import { Injectable } from '@nestjs/common';
import { AuthenticatedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { notAuthenticated } from '../common/common.errors';
import { Identities } from '../identities/identities.service';
import { CurrentPassword } from '../passwords/current-password.service';
import { SessionStore } from '../sessions/session-store';
import { verificationRequired } from './mfa.errors';
import { VerificationTokens } from './verification-tokens';

const RECENT_MS = 300_000;

/** How somebody can prove to be there; which way counts is the account's matter and not theirs. */
export interface ProofOfPresence {
  password?: string;
  /** From `POST /v1/mfa/totp/verify`. */
  verificationToken?: string;
}

/**
 * Asks, before a sensitive call, whether the person is there and not just their session (contract, "Proof of
 * presence"). The strongest thing that the account has is what counts: with a second factor no password will do.
 */
@Injectable()
export class Presence {
  constructor(
    private readonly clock: Clock,
    private readonly identities: Identities,
    private readonly passwords: CurrentPassword,
    private readonly tokens: VerificationTokens,
    private readonly sessions: SessionStore,
  ) {}

  /** @throws verification_required, invalid_current_password, rate_limited, hashing_busy */
  async require(caller: AuthenticatedCaller, proof: ProofOfPresence): Promise<void> {
    const user = await this.identities.findById(caller.userId);
    if (!user) throw notAuthenticated();
    if (user.mfaEnabled) {
      const token = proof.verificationToken;
      if (token !== undefined && (await this.tokens.consume(caller, token))) return;
      throw verificationRequired({ extra: { methods: ['totp', 'backup_code'] } });
    }
    if (user.passwordHash !== null) {
      if (proof.password === undefined) throw verificationRequired({ extra: { methods: ['password'] } });
      return this.passwords.check(user, proof.password);
    }
    if (!(await this.hasJustSignedIn(caller)))
      throw verificationRequired({ extra: { methods: ['sign_in'] } });
  }

  private async hasJustSignedIn({ userId, sessionId }: AuthenticatedCaller): Promise<boolean> {
    const session = (await this.sessions.list(userId)).find(({ id }) => id === sessionId);
    return session !== undefined && session.about.createdAt > this.clock.now() - RECENT_MS;
  }
}
