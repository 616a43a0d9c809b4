import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AuthenticatedCaller, Caller } from '../../common/caller';
import { notFound } from '../../common/common.errors';
import { AccountAccess } from '../account-access.service';
import { UnlinkedReply } from './links.dto';
import { LastSessions, Unlinked } from '../logins/last-sessions.service';
import { lockOwner } from '../owner-lock';
import { UnlinkRecord } from './unlink-record';

export type { Unlinked } from '../logins/last-sessions.service';

/**
 * Unlinks accounts: credentials destroyed, members removed, and then the session at the broker ended. Neither the broker
 * nor the KMS keeps anybody from it: what cannot be ended there ends by itself in the morning.
 */
@Injectable()
export class UnlinkAccounts {
  constructor(
    private readonly db: EntityManager,
    private readonly access: AccountAccess,
    private readonly sessions: LastSessions,
    private readonly record: UnlinkRecord,
  ) {}

  /** By its owner, whatever they may do otherwise. @throws not_found, owner_required */
  async one(caller: AuthenticatedCaller, accountId: string): Promise<UnlinkedReply> {
    const { userId } = await this.access.requireOwner(caller, accountId);
    const unlinked = await this.db.transaction(async (tx) => {
      await lockOwner(tx, userId);
      return this.record.write(tx, caller, { accountId, userId, reason: 'unlinked' });
    });
    if (!unlinked) throw notFound();
    const isOver = await this.sessions.end(caller, unlinked);
    return { trading_account_id: accountId, message: message(unlinked, isOver) };
  }

  /** Every account of a user, for whoever deletes them. Call it after the user's row is locked, and then `endSessions`. */
  async ofUser(tx: EntityManager, caller: Caller, userId: string): Promise<Unlinked[]> {
    const accounts = await tx.query<{ id: string }[]>(
      `SELECT id FROM trading_accounts WHERE user_id = $1 AND status <> 'unlinked' ORDER BY id`,
      [userId],
    );
    const unlinked: Unlinked[] = [];
    for (const { id } of accounts) {
      const one = await this.record.write(tx, caller, { accountId: id, userId, reason: 'account_deleted' });
      if (one) unlinked.push(one);
    }
    return unlinked;
  }

  /** After the commit, and while nobody waits for it. */
  endSessions(caller: Caller, unlinked: readonly Unlinked[]): void {
    this.sessions.endLater(caller, unlinked);
  }
}

function message({ last }: Unlinked, isOver: boolean): string {
  if (!last?.accessToken) return 'The account was unlinked.';
  if (isOver) return 'The account was unlinked, and logged out at the broker.';
  return 'The account was unlinked. It could not be logged out at the broker: the session there ends by itself, the next morning at the latest.';
}
