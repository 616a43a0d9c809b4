import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AuthenticatedCaller, Caller } from '../../common/caller';
import { notFound } from '../../common/common.errors';
import { AccountAccess } from '../account-access.service';
import { BrokerLogins, OpenSession } from '../logins/broker-logins.service';
import { UnlinkedReply } from './links.dto';
import { lockOwner } from '../owner-lock';
import { UnlinkRecord } from './unlink-record';
import { CredentialSets, StoredCredentials } from '../vault/credential-sets';
import { OpenSessions } from '../logins/open-sessions.service';

/**
 * Unlinks accounts: credentials destroyed, members removed, and then the session at the broker ended. Neither the broker
 * nor the KMS keeps anybody from it: what cannot be ended there ends by itself in the morning.
 */
@Injectable()
export class UnlinkAccounts {
  constructor(
    private readonly db: EntityManager,
    private readonly access: AccountAccess,
    private readonly logins: BrokerLogins,
    private readonly sets: CredentialSets,
    private readonly sessions: OpenSessions,
    private readonly record: UnlinkRecord,
  ) {}

  /** By its owner, whatever they may do otherwise. @throws not_found, owner_required */
  async one(caller: AuthenticatedCaller, accountId: string): Promise<UnlinkedReply> {
    const { userId, broker } = await this.access.requireOwner(caller, accountId);
    const last = await this.db.transaction(async (tx) => {
      await lockOwner(tx, userId);
      const credentials = await this.record.write(tx, caller, { accountId, userId, reason: 'unlinked' });
      if (credentials === false) throw notFound();
      return credentials;
    });
    return { trading_account_id: accountId, message: await this.endSession(broker, last) };
  }

  /**
   * The logins to end at brokers when a user is deleted; before the transaction, because it asks the KMS. Those that
   * cannot be read are left out.
   */
  async sessionsOf(userId: string): Promise<OpenSession[]> {
    const accounts = await this.livingOf(this.db, userId);
    const found = await Promise.all(
      accounts.map(async ({ id, broker }) => {
        const stored = await this.sets.find(id, 'current');
        return stored && this.sessions.open(broker, stored);
      }),
    );
    return found.filter((session) => session !== null);
  }

  /**
   * Every account of a user, for whoever deletes them. Call it after the user's row is locked.
   * @returns how many there were.
   */
  async ofUser(tx: EntityManager, caller: Caller, userId: string): Promise<number> {
    const accounts = await this.livingOf(tx, userId);
    for (const { id } of accounts)
      await this.record.write(tx, caller, { accountId: id, userId, reason: 'account_deleted' });
    return accounts.length;
  }

  /** After the commit, as far as it is possible now. Never throws. */
  async logOut(sessions: readonly OpenSession[]): Promise<void> {
    await Promise.all(sessions.map((session) => this.logins.logOut(session)));
  }

  private async endSession(broker: string, last: StoredCredentials | null): Promise<string> {
    if (!last?.accessToken) return 'The account was unlinked.';
    const session = await this.sessions.open(broker, last);
    this.sessions.forget(last.accountId);
    if (session && (await this.logins.logOut(session)))
      return 'The account was unlinked, and logged out at the broker.';
    return 'The account was unlinked. It could not be logged out at the broker: the session there ends by itself, the next morning at the latest.';
  }

  private async livingOf(db: EntityManager, userId: string): Promise<{ id: string; broker: string }[]> {
    return db.query<{ id: string; broker: string }[]>(
      `SELECT id, broker FROM trading_accounts WHERE user_id = $1 AND status <> 'unlinked' ORDER BY id`,
      [userId],
    );
  }
}
