import { Inject, Injectable } from '@nestjs/common';
import { errors, jwtVerify, JWTPayload, SignJWT } from 'jose';
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Clock } from '../common/clock';
import { invalidAccessToken } from '../common/common.errors';
import { newId } from '../common/ids';
import { CONFIG, Config } from '../config/config';
import { KeyRing } from './key-ring';
import { tokenCacheLookups } from './token-metrics';

const TYPE = 'at+jwt';
/** Some hundred bytes each, however many accounts a token names. */
const CACHED_TOKENS = 10_000;

/** What an access token says, RFC 9068 section 2.2 and contract "Tokens". */
export interface AccessClaims {
  sub: string;
  sid: string;
  client_id: string;
  /** Space-separated permissions of the session. */
  scope: string;
  roles: string[];
  /** Trading accounts owned or shared, at most a hundred: of one that is missing `authz/check` tells. */
  acct_ids: string[];
  mfa: boolean;
  email_verified: boolean;
}

/** Of a token that is good: whose it is. What else it says was so when it was made; here that is asked anew. */
export type VerifiedClaims = Pick<AccessClaims, 'sub' | 'sid'> & Required<Pick<JWTPayload, 'exp'>>;

interface CachedToken {
  kid: string;
  claims: VerifiedClaims;
}

/** Issues and checks access tokens: RS256 JWTs that any gateway checks with the JWKS alone. */
@Injectable()
export class AccessTokens {
  /**
   * Tokens whose signature was good, by their hash: the same token comes with every request of its quarter of an hour.
   * Only the signature is remembered; expiry and the key are looked at every time, the session by the door.
   */
  private readonly verified = new LRUCache<string, CachedToken>({ max: CACHED_TOKENS });

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
    private readonly keys: KeyRing,
  ) {}

  /** Seconds that a new token is good for. */
  get lifetime(): number {
    return this.config.JWT_ACCESS_TOKEN_TTL_MINUTES * 60;
  }

  async issue(claims: AccessClaims): Promise<string> {
    const key = this.keys.signer('access');
    const now = Math.floor(this.clock.now() / 1000);
    return new SignJWT({ ...claims, ver: 1 })
      .setProtectedHeader({ alg: 'RS256', typ: TYPE, kid: key.kid })
      .setIssuer(this.config.JWT_ISSUER)
      .setAudience(this.config.JWT_AUDIENCE)
      .setIssuedAt(now)
      .setExpirationTime(now + this.lifetime)
      .setJti(newId())
      .sign(key.secret);
  }

  /**
   * Checks signature, algorithm, type, issuer, audience and expiry; whether its session lives is the caller's question.
   * @throws invalid_access_token
   */
  async verify(token: string): Promise<VerifiedClaims> {
    const digest = hash('sha256', token, 'base64');
    const cached = this.verified.get(digest);
    const isKnown = cached !== undefined && this.keys.verifier('access', cached.kid) !== undefined;
    tokenCacheLookups.inc({ result: isKnown ? 'hit' : 'miss' });
    if (isKnown) {
      if (cached.claims.exp * 1000 <= this.clock.now()) throw invalidAccessToken();
      return cached.claims;
    }
    const { kid, claims } = await this.verifySignature(token);
    this.verified.set(digest, { kid, claims });
    return claims;
  }

  private async verifySignature(token: string): Promise<CachedToken> {
    try {
      const { payload, protectedHeader } = await jwtVerify<AccessClaims>(
        token,
        async ({ kid }) => {
          // Only keys of the table count: `jwk`, `jku` and `x5u` of the header are never looked at (RFC 8725 section 3.10).
          const key =
            kid === undefined
              ? undefined
              : await this.keys.findVerifier('access', (candidate) => candidate.kid === kid);
          if (!key?.publicJwk) throw new errors.JWKSNoMatchingKey();
          return key.publicJwk;
        },
        {
          algorithms: ['RS256'],
          typ: TYPE,
          issuer: this.config.JWT_ISSUER,
          audience: this.config.JWT_AUDIENCE,
          requiredClaims: ['sub', 'sid', 'iat', 'exp', 'jti'],
          currentDate: this.clock.date(),
        },
      );
      const { sub, sid, exp } = payload as VerifiedClaims;
      return { kid: protectedHeader.kid!, claims: { sub, sid, exp } };
    } catch (cause) {
      if (cause instanceof errors.JOSEError) throw invalidAccessToken({ cause });
      throw cause;
    }
  }
}
