import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { Events } from '../../infra/events/events';
import { SessionEndRecord } from './session-end-record';
import { AccountStatus } from '../trading-account';
import { credentialsDamaged } from '../trading-accounts.errors';
import { CredentialSets, StoredCredentials } from '../vault/credential-sets';

/** What the broker was asked about: a session, while the account had this status. */
export interface Asked {
  stored: StoredCredentials;
  status: AccountStatus;
}

/** For how long a session lives on that should be over by now, as far as anybody here can tell. */
const BEYOND_ITS_TIME_MS = 5 * 60_000;

/** What the broker has said of it. `replaced`: over, since another login that was not kept here. */
export type Verdict = { kind: 'lives'; brokerUserId: string } | { kind: Death };
type Death = 'session_over' | 'refused' | 'other_user' | 'replaced';

/** What the broker's word about a session leaves in PostgreSQL, where that session is the one in force still. */
@Injectable()
export class VerdictRecord {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly sets: CredentialSets,
    private readonly events: Events,
    private readonly ends: SessionEndRecord,
  ) {}

  /**
   * @returns false where another login has taken place meanwhile, or is under way: then this says nothing of it.
   * @throws credentials_damaged where the session lives, and the credentials it belongs to were found damaged
   */
  async write(caller: Caller, { stored: asked, status }: Asked, verdict: Verdict): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const [account] = await tx.query<{ status: AccountStatus; isFree: boolean }[]>(
        `SELECT status, turn_id IS NULL OR turn_ends_at <= $2 AS "isFree" FROM trading_accounts
         WHERE id = $1 AND status <> 'unlinked' FOR UPDATE`,
        [asked.accountId, this.clock.date()],
      );
      // Another answer than this one was believed meanwhile.
      if (account?.status !== status) return false;
      const current = await this.sets.find(asked.accountId, 'current', tx);
      if (!current?.accessToken || !asked.accessToken?.equals(current.accessToken)) return false;
      // A session says nothing of the rest: the next login, or a rotation, makes it good.
      if (verdict.kind === 'lives' && current.isDamaged) throw credentialsDamaged();
      if (verdict.kind === 'lives') await this.writeLife(tx, caller, asked, verdict);
      else if (!account.isFree) return false;
      else await this.writeEnd(tx, caller, asked.accountId, verdict.kind);
      return true;
    });
  }

  private async writeLife(
    tx: EntityManager,
    caller: Caller,
    { accountId, userId }: StoredCredentials,
    { brokerUserId }: { brokerUserId: string },
  ): Promise<void> {
    const now = this.clock.date();
    await tx.query(
      `UPDATE trading_accounts
       SET status = 'active', last_verified_at = $2, updated_at = $2,
         -- A hint that has passed would end it again; until tomorrow it hardly lives.
         session_expires_at = CASE WHEN session_expires_at > $2 THEN session_expires_at ELSE $3 END
       WHERE id = $1`,
      [accountId, now, new Date(now.getTime() + BEYOND_ITS_TIME_MS)],
    );
    await this.events.record(tx, caller, {
      type: 'trading_account.verified',
      subject: `user:${userId}`,
      resource: `trading_account:${accountId}`,
      data: { broker_user_id: brokerUserId },
    });
  }

  /** One event, the first time. What is invalid stays so: another login, or other credentials, are needed anyway. */
  private async writeEnd(tx: EntityManager, caller: Caller, accountId: string, kind: Death): Promise<void> {
    const status = kind === 'session_over' || kind === 'replaced' ? 'session_expired' : 'invalid';
    const reason = kind === 'replaced' ? 'replaced' : 'refused';
    if (await this.ends.write(tx, caller, accountId, { reason, status })) return;
    await tx.query(
      `UPDATE trading_accounts SET status = $2, updated_at = $3
       WHERE id = $1 AND status = 'session_expired' AND status <> $2`,
      [accountId, status, this.clock.date()],
    );
  }
}
