import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { rateLimited } from '../common/common.errors';
import { AccountMails } from '../identities/account-mails.service';
import { Events } from '../infra/events/events';
import { EventData } from '../infra/events/event-types';
import { Limits } from '../infra/limits/limits';
import { codesLockedMail } from './codes-locked.mail';
import { MfaCode, readMfaCode } from './mfa-code';
import { secondFactors } from './mfa-metrics';
import { invalidMfaCode } from './mfa.errors';

/** Contract: 10 wrong codes in 15 minutes. */
const WRONG_CODES = { name: 'mfa-code', points: 10, seconds: 900 };
/** Tries that are given back make room for another first refusal; its owner need not hear of that. */
const LOCK_MAILS = { name: 'mfa-code-mail', points: 1, seconds: WRONG_CODES.seconds };

/**
 * Counts wrong codes a user, wherever they are entered: a million codes must not be tried by asking for one challenge
 * after the other, nor by changing from sign-in to another operation.
 */
@Injectable()
export class FactorTries {
  constructor(
    private readonly db: EntityManager,
    private readonly limits: Limits,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /**
   * Takes a try before the code is looked at, so that parallel ones can't slip through; gives it back when the code was
   * right, or could not be checked.
   * @param check answers null for a wrong code; never asked about what can't be a code.
   * @throws invalid_mfa_code, rate_limited, and what `check` throws.
   */
  async attempt<T>(
    caller: Caller,
    userId: string,
    text: string,
    check: (code: MfaCode) => Promise<T | null>,
  ): Promise<T> {
    const code = readMfaCode(text);
    const method = code?.method ?? 'totp';
    const refusal = await this.limits.tryConsume([WRONG_CODES, userId]);
    if (refusal) {
      secondFactors.inc({ method, result: 'locked' });
      if (refusal.first) await this.locked(caller, userId, refusal.retryAfter);
      throw rateLimited({ retryAfter: refusal.retryAfter });
    }
    const answer = code && (await this.orGiveBack(userId, () => check(code)));
    secondFactors.inc({ method, result: answer === null ? 'invalid' : 'success' });
    if (answer === null) {
      await this.db.transaction((tx) =>
        this.record(tx, caller, userId, 'login.failed', { reason: 'wrong_mfa_code' }),
      );
      throw invalidMfaCode();
    }
    await this.giveBack(userId);
    return answer;
  }

  private async orGiveBack<T>(userId: string, check: () => Promise<T>): Promise<T> {
    try {
      return await check();
    } catch (error) {
      await this.giveBack(userId);
      throw error;
    }
  }

  /** Should this fail, one try less is left. The code counts all the same: it is used up by now. */
  private async giveBack(userId: string): Promise<void> {
    await this.limits.giveBack(WRONG_CODES, userId).catch(() => {});
  }

  /** The owner hears of it: whoever enters codes is past the password. */
  private async locked(caller: Caller, userId: string, retryAfter: number): Promise<void> {
    const tellsOwner = (await this.limits.tryConsume([LOCK_MAILS, userId])) === null;
    await this.db.transaction(async (tx) => {
      await this.record(tx, caller, userId, 'login.locked', { retry_after: retryAfter });
      const minutes = WRONG_CODES.seconds / 60;
      if (tellsOwner) await this.mails.enqueue(tx, codesLockedMail, { user_id: userId }, { minutes });
    });
  }

  private async record<T extends 'login.failed' | 'login.locked'>(
    tx: EntityManager,
    caller: Caller,
    userId: string,
    type: T,
    data: EventData[T],
  ): Promise<void> {
    const actor = caller.userId === undefined ? 'anonymous' : undefined;
    await this.events.record(tx, caller, { type, subject: `user:${userId}`, actor, data });
  }
}
