import { Inject, Injectable } from '@nestjs/common';
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientSecretPost,
  Configuration,
  discovery,
  enableNonRepudiationChecks,
  IDToken,
} from 'openid-client';
import { AppError } from '../common/app-error';
import { Clock } from '../common/clock';
import { unavailable } from '../common/common.errors';
import { CONFIG, Config } from '../config/config';
import { normaliseEmail } from '../identities/email-address';
import { withDeadline } from '../infra/deadline';
import { isRefusal, withoutSecrets } from './google-failures';
import { GoogleIdentity } from './google-identity';
import { OAuthFlow } from './oauth-states';
import { googleNotConfigured, invalidOauthCode } from './oauth.errors';

/** Of one request, and of all that one call here makes. */
const REQUEST_SECONDS = 3;
const CALL_MS = 3_500;
/** Google moves its endpoints about never; its keys are looked up as its tokens need them. */
const DISCOVERY_LIFE_MS = 86_400_000;
const SCOPE = 'openid email profile';
/** OpenID Connect Core section 2: at most 255 ASCII characters. */
const SUBJECT = /^[\x21-\x7e]{1,255}$/;

/**
 * Google as an OpenID provider (OpenID Connect Core section 3.1). What it says of itself is fetched with the first
 * sign-in and kept for a day; a failure is not kept.
 */
@Injectable()
export class GoogleClient {
  private known?: { configuration: Promise<Configuration>; since: number };

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** @throws google_not_configured */
  requireConfigured(): void {
    if (!this.config.FEATURE_GOOGLE_OAUTH || !this.config.GOOGLE_OAUTH_CLIENT_ID) throw googleNotConfigured();
  }

  /**
   * Where the person signs in.
   * @throws unavailable
   */
  async authorizationUrl({ redirectUri, codeVerifier, nonce }: OAuthFlow, state: string): Promise<string> {
    const challenge = await calculatePKCECodeChallenge(codeVerifier);
    return this.ask(async (google) =>
      buildAuthorizationUrl(google, {
        redirect_uri: redirectUri,
        scope: SCOPE,
        state,
        nonce,
        code_challenge: challenge,
        code_challenge_method: 'S256',
      }).toString(),
    );
  }

  /**
   * Exchanges the code for an ID token, whose signature, issuer, audience, nonce and times are checked.
   * @throws invalid_oauth_code, unavailable
   */
  async identify(code: string, { redirectUri, codeVerifier, nonce }: OAuthFlow): Promise<GoogleIdentity> {
    return this.ask(async (google) => {
      const answer = new URL(redirectUri);
      answer.searchParams.set('code', code);
      // Tells providers apart (RFC 9207) where there are several. Ours is one, whoever answered.
      answer.searchParams.set('iss', google.serverMetadata().issuer);
      const checks = { pkceCodeVerifier: codeVerifier, expectedNonce: nonce, idTokenExpected: true };
      const tokens = await authorizationCodeGrant(google, answer, checks).catch((error: unknown) => {
        throw isRefusal(error) ? invalidOauthCode({ cause: withoutSecrets(error) }) : error;
      });
      return identityOf(tokens.claims());
    });
  }

  private async ask<T>(question: (google: Configuration) => Promise<T>): Promise<T> {
    try {
      return await withDeadline(this.configuration().then(question), CALL_MS, 'Google');
    } catch (error) {
      throw error instanceof AppError ? error : unavailable({ cause: withoutSecrets(error) });
    }
  }

  /** One flight for all who wait. */
  private async configuration(): Promise<Configuration> {
    const now = this.clock.now();
    if (!this.known || now - this.known.since > DISCOVERY_LIFE_MS) {
      const flight = { configuration: this.discover(), since: now };
      this.known = flight;
      flight.configuration.catch(() => {
        if (this.known === flight) this.known = undefined;
      });
    }
    return this.known.configuration;
  }

  private async discover(): Promise<Configuration> {
    const { GOOGLE_OAUTH_ISSUER, GOOGLE_OAUTH_CLIENT_ID, GOOGLE_OAUTH_CLIENT_SECRET } = this.config;
    // Plain http is for development; the configuration refuses it elsewhere.
    const isPlain = GOOGLE_OAUTH_ISSUER.startsWith('http:');
    return discovery(
      new URL(GOOGLE_OAUTH_ISSUER),
      GOOGLE_OAUTH_CLIENT_ID,
      { id_token_signed_response_alg: 'RS256' },
      ClientSecretPost(GOOGLE_OAUTH_CLIENT_SECRET),
      {
        timeout: REQUEST_SECONDS,
        execute: [enableNonRepudiationChecks, ...(isPlain ? [allowInsecureRequests] : [])],
      },
    );
  }
}

/** @throws invalid_oauth_code */
function identityOf(claims: IDToken | undefined): GoogleIdentity {
  if (!claims || !SUBJECT.test(claims.sub)) throw invalidOauthCode();
  const { sub, email, email_verified, name } = claims;
  return {
    subject: sub,
    email: normaliseEmail(email),
    // Only the boolean: nothing else is worth an account.
    emailVerified: email_verified === true,
    name: typeof name === 'string' ? name : undefined,
  };
}
