import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { LastAdministrator } from '../authz/last-administrator.service';
import { PermissionCache } from '../authz/permission-cache';
import { requirePermission } from '../authz/require-permission';
import { ErrorDefinition } from '../common/app-error';
import { AuthenticatedCaller, IdentifiedCaller } from '../common/caller';
import { notAuthenticated, notFound } from '../common/common.errors';
import { Presence } from '../mfa/presence.service';
import { EndSessions } from '../sessions/end-sessions.service';
import { AccountDeletionRecord } from './account-deletion-record';
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
    private readonly cache: PermissionCache,
    private readonly endSessions: EndSessions,
    private readonly authority: Authority,
    private readonly lastAdministrator: LastAdministrator,
    private readonly record: AccountDeletionRecord,
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
    return this.run(caller, caller.userId, { by: caller.sessionId, gone: notAuthenticated });
  }

  /** @throws permission_denied, not_found, escalation_refused (also for the own account), last_administrator */
  async ofOther(caller: IdentifiedCaller, userId: string): Promise<DeleteAccountReply> {
    requirePermission(caller, 'user:write');
    refuseSelf(caller, userId);
    // First without a lock: whoever may not, puts up no fence.
    await this.authority.requireOver(caller, userId);
    const authorise = (tx: EntityManager) => this.authority.requireOver(caller, userId, tx);
    return this.run(caller, userId, { authorise, gone: notFound });
  }

  private async run(
    caller: IdentifiedCaller,
    userId: string,
    {
      by,
      authorise,
      gone,
    }: { by?: string; authorise?: (tx: EntityManager) => Promise<void>; gone: ErrorDefinition },
  ): Promise<DeleteAccountReply> {
    const ended = await this.cache.whileChanging(userId, () =>
      this.endSessions.run(
        caller,
        { userId, reason: 'account_deleted', ends: () => true, underWay: true, by },
        async (tx, sessionIds) => {
          await authorise?.(tx);
          await this.lastAdministrator.protect(tx, userId);
          if (!(await this.record.write(tx, caller, userId, sessionIds.length))) throw gone();
        },
      ),
    );
    return {
      message: 'The account was deleted.',
      sessions_revoked: ended.length,
      trading_accounts_unlinked: 0,
    };
  }
}
