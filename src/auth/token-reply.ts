import { Injectable } from '@nestjs/common';
import { Principal } from '../authz/principals.service';
import { RefreshTokens } from '../sessions/refresh-tokens';
import { AccessTokens } from '../tokens/access-tokens.service';
import { MfaReply, RefreshReply, SignedInUser } from './auth.dto';
import { MfaChallenges } from './mfa-challenges';
import type { MfaRequired } from './sign-in.service';

/** Our own applications are one client; others come with OAuth clients of their own. */
const CLIENT_ID = 'user_service';

/** Writes the tokens of a session. */
@Injectable()
export class TokenReplies {
  constructor(
    private readonly accessTokens: AccessTokens,
    private readonly refreshTokens: RefreshTokens,
  ) {}

  /** With the refresh token inside; a door that delivers it otherwise takes it out. */
  async write(
    principal: Principal,
    session: { id: string; counter: number; mfa: boolean },
  ): Promise<RefreshReply & { refresh_token: string }> {
    const { userId } = principal;
    return {
      access_token: await this.accessTokens.issue({
        sub: `user:${userId}`,
        sid: session.id,
        client_id: CLIENT_ID,
        scope: principal.permissions.join(' '),
        roles: principal.roles,
        acct_ids: principal.tradingAccounts,
        mfa: session.mfa,
        email_verified: principal.emailVerified,
      }),
      token_type: 'Bearer',
      expires_in: this.accessTokens.lifetime,
      refresh_token: this.refreshTokens.seal({ userId, sessionId: session.id, counter: session.counter }),
      session_id: session.id,
    };
  }
}

export function mfaReply({ mfaToken }: MfaRequired): MfaReply {
  return {
    status: 'mfa_required',
    mfa_token: mfaToken,
    methods: ['totp', 'backup_code'],
    expires_in: MfaChallenges.lifeSeconds,
    message: 'Enter the code of your authenticator, or a backup code.',
  };
}

export function signedInUser(principal: Principal): SignedInUser {
  return {
    user_id: principal.userId,
    // People sign in, and a person has an address.
    email: principal.email!,
    name: principal.name,
    status: principal.status,
    roles: principal.roles,
    mfa_enabled: principal.mfaEnabled,
    email_verified: principal.emailVerified,
  };
}
