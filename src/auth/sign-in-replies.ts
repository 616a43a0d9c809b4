import { Injectable } from '@nestjs/common';
import type { HttpReply } from '../infra/http/http-request';
import { MfaReply, RefreshReply, TokenReply } from './auth.dto';
import { TokenDelivery } from './sign-in-wish.dto';
import { RefreshCookie } from './refresh-cookie';
import type { Refreshed } from './refresh.service';
import type { MfaRequired, SignedIn } from './sign-in.service';
import { mfaReply, signedInUser, TokenReplies } from './token-reply';

interface Delivery {
  /** Where the refresh token goes. */
  to: TokenDelivery;
  /** For sign-ins that can make an account. */
  isNewUser?: boolean;
}

/**
 * Answers a sign-in over HTTP, whatever it began with: tokens, or the question for the second factor. The refresh token
 * goes where the client wants it.
 */
@Injectable()
export class SignInReplies {
  constructor(
    private readonly replies: TokenReplies,
    private readonly cookie: RefreshCookie,
  ) {}

  async write(
    reply: HttpReply,
    outcome: SignedIn | MfaRequired,
    delivery: Delivery,
  ): Promise<TokenReply | MfaReply> {
    if (outcome.kind === 'signed_in') return this.signedIn(reply, outcome, delivery);
    void reply.header('Cache-Control', 'no-store');
    return mfaReply(outcome);
  }

  async signedIn(
    reply: HttpReply,
    { principal, session }: SignedIn,
    { to, isNewUser }: Delivery,
  ): Promise<TokenReply> {
    const cookie = to === 'cookie' ? session : null;
    return {
      ...(await this.tokens(reply, { principal, session }, cookie)),
      user: signedInUser(principal),
      ...(isNewUser !== undefined && { is_new_user: isNewUser }),
    };
  }

  /** @param cookie the session whose cookie is set; null leaves the refresh token in the reply. */
  async tokens(
    reply: HttpReply,
    { principal, session }: Pick<Refreshed, 'principal' | 'session'>,
    cookie: { persistent: boolean; absoluteEnd: number } | null,
  ): Promise<RefreshReply> {
    const tokens = await this.replies.write(principal, session);
    void reply.header('Cache-Control', 'no-store');
    if (!cookie) return tokens;
    this.cookie.set(reply, tokens.refresh_token, cookie);
    return { ...tokens, refresh_token: null };
  }
}
