import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { LastAdministrator } from '../authz/last-administrator.service';
import { PermissionCache } from '../authz/permission-cache';
import { ErrorDefinition } from '../common/app-error';
import { IdentifiedCaller } from '../common/caller';
import { EndSessions } from '../sessions/end-sessions.service';
import { UnlinkAccounts, Unlinked } from '../trading-accounts/links/unlink-accounts.service';
import { AccountDeletionRecord } from './account-deletion-record';
import { DeleteAccountReply } from './delete-account.dto';

interface Deletion {
  /** The session that asks for it, where it may only happen while that one is in force. */
  by?: string;
  /** Judges the caller again in the transaction. */
  authorise?: (tx: EntityManager) => Promise<void>;
  /** Thrown where the account is gone already. */
  gone: ErrorDefinition;
}

/** Carries a deletion out. It judges nobody: see `DeleteAccount` for who may. */
@Injectable()
export class AccountDeletion {
  constructor(
    private readonly cache: PermissionCache,
    private readonly endSessions: EndSessions,
    private readonly lastAdministrator: LastAdministrator,
    private readonly record: AccountDeletionRecord,
    private readonly tradingAccounts: UnlinkAccounts,
  ) {}

  /**
   * Sessions at brokers end after the commit, whatever becomes of the rest, as far as that is possible then: what stays
   * open there ends by itself, and nobody here has the credentials any more.
   * @throws last_administrator, `gone`, what `authorise` throws, and invalid_access_token where `by` is over.
   */
  async run(
    caller: IdentifiedCaller,
    userId: string,
    { by, authorise, gone }: Deletion,
  ): Promise<DeleteAccountReply> {
    let unlinked: Unlinked[] = [];
    const ended = await this.cache.whileChanging(userId, () =>
      this.endSessions.run(
        caller,
        {
          userId,
          reason: 'account_deleted',
          ends: () => true,
          underWay: true,
          by,
          committed: () => this.tradingAccounts.endSessions(caller, unlinked),
        },
        async (tx, sessionIds) => {
          await authorise?.(tx);
          await this.lastAdministrator.protect(tx, userId);
          const written = await this.record.write(tx, caller, userId, sessionIds.length);
          if (written === null) throw gone();
          unlinked = written;
        },
      ),
    );
    return {
      message: 'The account was deleted.',
      sessions_revoked: ended.length,
      trading_accounts_unlinked: unlinked.length,
    };
  }
}
