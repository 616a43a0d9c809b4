import { Injectable } from '@nestjs/common';
import { createHash, randomBytes } from 'node:crypto';
import { Redis, Result } from 'ioredis';
import { TokenDelivery } from './sign-in-wish.dto';
import type { Proved, Wish } from './sign-in-record';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    tryMfaChallenge(key: string, tries: number): Result<string | null, Context>;
  }
}

const LIFE_SECONDS = 300;
const TRIES = 5;

/** A sign-in that has proved its first factor and waits for the second. */
export interface MfaChallenge {
  proved: Proved;
  wish: Wish;
  delivery: TokenDelivery;
  /** The account was made by this sign-in. */
  isNewUser?: boolean;
}

/**
 * KEYS: challenge. ARGV: tries. Counts a try before it is made. One too many is refused, and takes nothing away from
 * those before it that are still being looked at.
 */
const tryScript = `
local challenge = redis.call('HGET', KEYS[1], 'challenge')
if not challenge then return false end
if redis.call('HINCRBY', KEYS[1], 'tries', 1) > tonumber(ARGV[1]) then return false end
return challenge
`;

/** Challenges live in Redis for five minutes and five tries, under the hash of a token that only the client has. */
@Injectable()
export class MfaChallenges {
  static readonly lifeSeconds = LIFE_SECONDS;

  constructor(private readonly redis: Redis) {
    redis.defineCommand('tryMfaChallenge', { numberOfKeys: 1, lua: tryScript });
  }

  /** @returns the `mfa_token`. */
  async open(challenge: MfaChallenge): Promise<string> {
    const token = randomBytes(32).toString('base64url');
    await this.redis
      .multi()
      .hset(key(token), 'challenge', JSON.stringify(challenge))
      .expire(key(token), LIFE_SECONDS)
      .exec();
    return token;
  }

  /** Takes one of the tries; null where the token is unknown, used, too old, or has none left. */
  async try(token: string): Promise<MfaChallenge | null> {
    const text = await this.redis.tryMfaChallenge(key(token), TRIES);
    return text === null ? null : (JSON.parse(text) as MfaChallenge);
  }

  /** Ends the challenge; true for one of any number of simultaneous calls. */
  async close(token: string): Promise<boolean> {
    return (await this.redis.del(key(token))) === 1;
  }
}

const key = (token: string): string =>
  `mfa-challenge:{${createHash('sha256').update(token).digest('base64url')}}`;
