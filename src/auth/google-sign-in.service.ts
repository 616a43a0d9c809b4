import { Inject, Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { AppError, ErrorKind } from '../common/app-error';
import { Caller } from '../common/caller';
import { validationFailed } from '../common/common.errors';
import { CONFIG, Config } from '../config/config';
import { Limit, Limits } from '../infra/limits/limits';
import { networkOf } from '../infra/limits/network-of';
import { GoogleClient } from '../oauth/google-client';
import { OAuthStates } from '../oauth/oauth-states';
import { invalidOauthState } from '../oauth/oauth.errors';
import { GoogleAccounts } from './google-accounts';
import { GoogleCallbackBody, GoogleStartBody, GoogleStartReply } from './google.dto';
import { signIns } from './sign-in-metrics';
import { MfaRequired, SignedIn, SignIn } from './sign-in.service';

const STARTS: Limit = { name: 'google-start', points: 60, seconds: 600 };
const CALLBACKS: Limit = { name: 'google-callback', points: 60, seconds: 600 };

const results: Partial<Record<ErrorKind, string>> = {
  malformed: 'invalid_credentials',
  unauthenticated: 'invalid_credentials',
  forbidden: 'refused',
  conflict: 'refused',
};

/** Signs in with a Google account: an authorization code with PKCE, and an ID token that is checked here. */
@Injectable()
export class GoogleSignIn {
  private readonly redirectUris: ReadonlySet<string>;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly limits: Limits,
    private readonly states: OAuthStates,
    private readonly google: GoogleClient,
    private readonly accounts: GoogleAccounts,
    private readonly signIn: SignIn,
  ) {
    this.redirectUris = new Set([config.GOOGLE_OAUTH_REDIRECT_URI, ...config.GOOGLE_OAUTH_REDIRECT_URIS]);
  }

  /**
   * @param known what the browser is recognised by, if it is.
   * @returns the reply, and what the browser is to be recognised by.
   * @throws google_not_configured, rate_limited, validation_failed, unavailable
   */
  async start(
    caller: Caller,
    { redirect_uri: redirectUri = this.config.GOOGLE_OAUTH_REDIRECT_URI }: GoogleStartBody,
    known: string | undefined,
  ): Promise<{ reply: GoogleStartReply; browser: string }> {
    this.google.requireConfigured();
    await this.limits.consume([STARTS, networkOf(caller.ip)]);
    // An address of anybody's would get codes sent.
    if (!this.redirectUris.has(redirectUri)) {
      const message = 'redirect_uri must be one of those configured';
      throw validationFailed({ fields: [{ field: 'redirect_uri', message }] });
    }
    const browser = known ?? randomSecret();
    const flow = { redirectUri, codeVerifier: randomSecret(), nonce: randomSecret() };
    const state = await this.states.open(browser, flow);
    const url = await this.google.authorizationUrl(flow, state);
    return { browser, reply: { authorization_url: url, state, provider: 'google' } };
  }

  /**
   * @throws google_not_configured, rate_limited, invalid_oauth_state, invalid_oauth_code, unavailable, and whatever
   * keeps the Google account from opening an account here (`GoogleAccounts`).
   */
  async finish(
    caller: Caller,
    body: GoogleCallbackBody,
    browser: string | undefined,
  ): Promise<{ outcome: SignedIn | MfaRequired; isNewUser: boolean }> {
    this.google.requireConfigured();
    await this.limits.consume([CALLBACKS, networkOf(caller.ip)]);
    try {
      return await this.exchange(caller, body, browser);
    } catch (error) {
      const result = error instanceof AppError ? results[error.kind] : undefined;
      if (result) signIns.inc({ method: 'google', result });
      throw error;
    }
  }

  private async exchange(
    caller: Caller,
    body: GoogleCallbackBody,
    browser: string | undefined,
  ): Promise<{ outcome: SignedIn | MfaRequired; isNewUser: boolean }> {
    const flow = await this.states.take(body.state, browser);
    if (!flow) throw invalidOauthState();
    const identity = await this.google.identify(body.code, flow);
    const { user, isNew } = await this.accounts.open(caller, identity);
    const outcome = await this.signIn.begin(caller, user, {
      method: 'google',
      wish: { persistent: body.persist_session, fingerprint: body.device_fingerprint },
      delivery: body.token_delivery,
      isNewUser: isNew,
    });
    return { outcome, isNewUser: isNew };
  }
}

/** 256 bits in 43 characters, which is also what a code verifier looks like (RFC 7636 section 4.1). */
const randomSecret = (): string => randomBytes(32).toString('base64url');
