import { Injectable } from '@nestjs/common';
import { createHash, randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { AuthenticatedCaller } from '../common/caller';

const LIFE_SECONDS = 300;

/**
 * Proof that the person at a session had the second factor at hand just now: a random token, good once, for five
 * minutes, in that session alone. Redis holds its hash only, made with user and session, so that elsewhere it is
 * unknown, and not used up.
 */
@Injectable()
export class VerificationTokens {
  static readonly lifeSeconds = LIFE_SECONDS;

  constructor(private readonly redis: Redis) {}

  async issue(caller: AuthenticatedCaller): Promise<string> {
    const token = randomBytes(32).toString('base64url');
    await this.redis.set(key(caller, token), '1', 'EX', LIFE_SECONDS);
    return token;
  }

  /** Uses a token up: true for one of any number of simultaneous calls. */
  async consume(caller: AuthenticatedCaller, token: string): Promise<boolean> {
    return (await this.redis.getdel(key(caller, token))) !== null;
  }
}

const key = ({ userId, sessionId }: AuthenticatedCaller, token: string): string =>
  `verification:{${userId}}:${createHash('sha256').update(`${sessionId} ${token}`).digest('base64url')}`;
