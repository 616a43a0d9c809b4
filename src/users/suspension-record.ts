import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { LastAdministrator } from '../authz/last-administrator.service';
import { IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { AccountMails } from '../identities/account-mails.service';
import { Events } from '../infra/events/events';
import { accountReactivatedMail } from './account-reactivated.mail';
import { accountSuspendedMail } from './account-suspended.mail';

/** What suspending and reactivating leave in PostgreSQL. Both answer whether there was anything to change. */
@Injectable()
export class SuspensionRecord {
  constructor(
    private readonly clock: Clock,
    private readonly authority: Authority,
    private readonly lastAdministrator: LastAdministrator,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /** @throws not_found, escalation_refused, last_administrator */
  async suspend(
    tx: EntityManager,
    caller: IdentifiedCaller,
    userId: string,
    reason: string | null,
  ): Promise<boolean> {
    await this.authority.requireOver(caller, userId, tx);
    await this.lastAdministrator.protect(tx, userId);
    const [rows] = await tx.query<[unknown[], number]>(
      `UPDATE users SET status = 'suspended', updated_at = $2
       WHERE id = $1 AND status <> 'suspended' AND deleted_at IS NULL RETURNING id`,
      [userId, this.clock.date()],
    );
    if (rows.length === 0) return false;
    await this.events.record(tx, caller, {
      type: 'user.suspended',
      subject: `user:${userId}`,
      data: { reason },
    });
    await this.mails.enqueue(tx, accountSuspendedMail, { user_id: userId }, {});
    return true;
  }

  /** Back to what the account was, as far as its address is proved; a service has none to prove. */
  async reactivate(tx: EntityManager, caller: IdentifiedCaller, userId: string): Promise<boolean> {
    await this.authority.requireOver(caller, userId, tx);
    const [rows] = await tx.query<[unknown[], number]>(
      `UPDATE users SET updated_at = $2, status =
         CASE WHEN kind = 'service' OR email_verified_at IS NOT NULL THEN 'active' ELSE 'pending_verification' END
       WHERE id = $1 AND status IN ('suspended', 'deactivated') AND deleted_at IS NULL RETURNING id`,
      [userId, this.clock.date()],
    );
    if (rows.length === 0) return false;
    await this.events.record(tx, caller, { type: 'user.reactivated', subject: `user:${userId}`, data: {} });
    await this.mails.enqueue(tx, accountReactivatedMail, { user_id: userId }, {});
    return true;
  }
}
