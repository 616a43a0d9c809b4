import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { AccountMails } from '../identities/account-mails.service';
import { EventData } from '../infra/events/event-types';
import { Events } from '../infra/events/events';
import { EndSessions } from '../sessions/end-sessions.service';
import { FactorRecord } from './factor-record';
import { mfaDisabledMail } from './mfa-disabled.mail';
import { mfaNotEnabled } from './mfa.errors';
import { TotpSecret } from './totp-secrets';

/** Takes the second factor off an account: secret, backup codes and flag together. It asks nobody for a code. */
@Injectable()
export class RemoveSecondFactor {
  constructor(
    private readonly record: FactorRecord,
    private readonly events: Events,
    private readonly mails: AccountMails,
    private readonly endSessions: EndSessions,
  ) {}

  /**
   * By an administrator, for somebody who lost the authenticator. Every session ends, and the owner is mailed.
   * @param authorise throws where the caller may not; asked under the lock of the user's row, before anything changes.
   * @throws mfa_not_enabled
   */
  async reset(
    caller: Caller,
    userId: string,
    authorise: (tx: EntityManager) => Promise<void>,
  ): Promise<void> {
    await this.endSessions.run(
      caller,
      { userId, reason: 'mfa_reset', ends: () => true, underWay: true },
      async (tx) => {
        await authorise(tx);
        if (!(await this.forget(tx, caller, userId, 'reset'))) throw mfaNotEnabled();
        await this.mails.enqueue(tx, mfaDisabledMail, { user_id: userId }, { reason: 'reset' });
      },
    );
  }

  /** By its owner. @returns whether it was there still. */
  async forgetThis(tx: EntityManager, caller: Caller, userId: string, factor: TotpSecret): Promise<boolean> {
    return (await this.record.lockIfStill(tx, userId, factor)) && this.forget(tx, caller, userId, 'disabled');
  }

  /** In a transaction that has locked the account's row. @returns whether there was one; then there is an event too. */
  async forget(
    tx: EntityManager,
    caller: Caller,
    userId: string,
    reason: EventData['mfa.disabled']['reason'],
  ): Promise<boolean> {
    if (!(await this.record.remove(tx, userId))) return false;
    await this.events.record(tx, caller, {
      type: 'mfa.disabled',
      subject: `user:${userId}`,
      data: { reason },
    });
    return true;
  }
}
