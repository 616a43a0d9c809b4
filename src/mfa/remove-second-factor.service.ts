import { Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { AccountClaims } from '../identities/account-claims.service';
import { AccountMails } from '../identities/account-mails.service';
import { EventData } from '../infra/events/event-types';
import { Events } from '../infra/events/events';
import { EndSessions } from '../sessions/end-sessions.service';
import { FactorRecord } from './factor-record';
import { mfaDisabledMail } from './mfa-disabled.mail';
import { mfaNotEnabled } from './mfa.errors';

/** Takes the second factor off an account: secret, backup codes and flag together. It asks nobody for a code. */
@Injectable()
export class RemoveSecondFactor implements OnModuleInit {
  constructor(
    private readonly record: FactorRecord,
    private readonly events: Events,
    private readonly mails: AccountMails,
    private readonly endSessions: EndSessions,
    private readonly claims: AccountClaims,
  ) {}

  /** What a stranger has set up on somebody else's address must not keep the owner out. */
  onModuleInit(): void {
    this.claims.onClaim(async (tx, caller, userId) => {
      await this.forget(tx, caller, userId, 'account_claimed');
    });
  }

  /**
   * By an administrator, for somebody who lost the authenticator. Every session ends, and the owner is mailed. Whether
   * the caller may is asked before.
   * @throws mfa_not_enabled
   */
  async reset(caller: Caller, userId: string): Promise<void> {
    await this.endSessions.run(
      caller,
      { userId, reason: 'mfa_reset', ends: () => true, underWay: true },
      async (tx) => {
        if (!(await this.forget(tx, caller, userId, 'reset'))) throw mfaNotEnabled();
        await this.mails.enqueue(tx, mfaDisabledMail, { user_id: userId }, { reason: 'reset' });
      },
    );
  }

  /** @returns whether there was one; then there is an event too. */
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
