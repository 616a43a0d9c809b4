import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { requirePermission } from '../authz/require-permission';
import { AuthenticatedCaller, IdentifiedCaller } from '../common/caller';
import { notAuthenticated, notFound } from '../common/common.errors';
import { Presence } from '../mfa/presence.service';
import { AccountDeletion } from './account-deletion.service';
import { DeleteAccountReply } from './delete-account.dto';
import { refuseSelf } from './refuse-self';

/**
 * Deletes accounts: in force at once, everywhere. The row stays for 30 days, so that a mistake or a crime can be looked
 * into, then `PurgeDeleted` erases what it says of a person. The address is free at once.
 */
@Injectable()
export class DeleteAccount {
  constructor(
    private readonly presence: Presence,
    private readonly authority: Authority,
    private readonly deletion: AccountDeletion,
  ) {}

  /**
   * @throws verification_required, invalid_current_password, rate_limited, hashing_busy, last_administrator,
   * invalid_access_token when the session was ended just now
   */
  async own(
    caller: AuthenticatedCaller,
    proof: { password?: string; verificationToken?: string },
  ): Promise<DeleteAccountReply> {
    await this.presence.require(caller, proof);
    // Of two calls at once, the second one has no account any more.
    return this.deletion.run(caller, caller.userId, { by: caller.sessionId, gone: notAuthenticated });
  }

  /** @throws permission_denied, not_found, escalation_refused (also for the own account), last_administrator */
  async ofOther(caller: IdentifiedCaller, userId: string): Promise<DeleteAccountReply> {
    requirePermission(caller, 'user:write');
    refuseSelf(caller, userId);
    // First without a lock: whoever may not, puts up no fence.
    await this.authority.requireOver(caller, userId);
    const authorise = (tx: EntityManager) => this.authority.requireOver(caller, userId, tx);
    return this.deletion.run(caller, userId, { authorise, gone: notFound });
  }
}
