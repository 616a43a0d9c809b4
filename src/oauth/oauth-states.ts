import { Injectable } from '@nestjs/common';
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Redis } from 'ioredis';

const LIFE_SECONDS = 600;

/** What a sign-in at the provider needs when it comes back. */
export interface OAuthFlow {
  redirectUri: string;
  /** RFC 7636 section 4.1. */
  codeVerifier: string;
  /** OpenID Connect Core section 3.1.2.1: ties the ID token to this flow. */
  nonce: string;
}

/**
 * Sign-ins that are under way: for ten minutes, under the hash of a state that only the client has, and good for the
 * browser alone that began it. Otherwise somebody could have another person's browser finish their own sign-in, and
 * that person work in an account that is not theirs (RFC 6749 section 10.12).
 */
@Injectable()
export class OAuthStates {
  static readonly lifeSeconds = LIFE_SECONDS;

  constructor(private readonly redis: Redis) {}

  /**
   * @param browser a secret that this browser alone sends back.
   * @returns the state, 256 random bits.
   */
  async open(browser: string, flow: OAuthFlow): Promise<string> {
    const state = randomBytes(32).toString('base64url');
    const record = JSON.stringify({ ...flow, browser: digest(browser).toString('base64url') });
    await this.redis.set(key(state), record, 'EX', LIFE_SECONDS);
    return state;
  }

  /**
   * Uses a state up, whoever presents it: of any number of simultaneous calls one gets the flow. Null where the state is
   * unknown, used, too old, or another browser's.
   */
  async take(state: string, browser: string | undefined): Promise<OAuthFlow | null> {
    const record = await this.redis.getdel(key(state));
    if (record === null || browser === undefined) return null;
    const { browser: expected, ...flow } = JSON.parse(record) as OAuthFlow & { browser: string };
    return timingSafeEqual(digest(browser), Buffer.from(expected, 'base64url')) ? flow : null;
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const key = (state: string): string => `oauth-state:{${digest(state).toString('base64url')}}`;
