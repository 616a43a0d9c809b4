import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { IdentifiedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { notFound } from '../../common/common.errors';
import { EventData, EventType } from '../../infra/events/event-types';
import { Events } from '../../infra/events/events';
import { Brokers } from '../brokers/brokers.service';
import { tradingAccountExists } from '../trading-accounts.errors';
import { Turn, Turns } from './turns.service';
import { CredentialSets, SealedCredentials, StoredCredentials } from '../vault/credential-sets';

/** What a proved login leaves. */
export interface ProvedLogin {
  /** Of the credentials that it proves. */
  setId: string;
  /** Those themselves, where they do not wait in the table yet. */
  fresh?: SealedCredentials;
  sealedAccessToken: Buffer;
  brokerUserId: string;
  /** When the broker was asked: the session has begun then, or later. */
  askedAt: Date;
}

/** What a login leaves in PostgreSQL: all of it in one transaction, at the end of the account's turn. */
@Injectable()
export class LoginRecord {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly turns: Turns,
    private readonly sets: CredentialSets,
    private readonly events: Events,
    private readonly brokers: Brokers,
  ) {}

  /**
   * @returns the credentials that were in force, where others are now.
   * @throws trading_account_exists, not_found, broker_call_in_progress, not_authenticated, permission_denied
   */
  async write(caller: IdentifiedCaller, turn: Turn, login: ProvedLogin): Promise<StoredCredentials | null> {
    return this.db.transaction(async (tx) => {
      const account = await this.turns.lock(tx, caller, turn);
      // Its first login: also where the credentials that waited for it were damaged, and it is `invalid`.
      if (account.brokerUserId === null) await requireFirst(tx, account, login.brokerUserId);
      const before = await this.sets.find(account.accountId, 'current', tx);
      const isRotated = await this.putInForce(tx, account.accountId, login);
      await this.activate(tx, account, login);
      await this.record(tx, caller, account, login.brokerUserId, isRotated);
      return isRotated ? before : null;
    });
  }

  /** @returns whether other credentials are in force than before. */
  private async putInForce(
    tx: EntityManager,
    accountId: string,
    { setId, fresh, sealedAccessToken }: ProvedLogin,
  ): Promise<boolean> {
    if (fresh) await this.sets.stage(tx, accountId, fresh);
    if (!(await this.sets.setAccessToken(tx, setId, sealedAccessToken))) throw notFound();
    return this.sets.promote(tx, accountId, setId);
  }

  private async activate(
    tx: EntityManager,
    turn: Turn,
    { brokerUserId, askedAt }: ProvedLogin,
  ): Promise<void> {
    const now = this.clock.date();
    await tx.query(
      `UPDATE trading_accounts
       SET status = 'active', broker_user_id = $2, linked_at = coalesce(linked_at, $3), last_verified_at = $3,
         session_expires_at = $4, turn_id = NULL, turn_ends_at = NULL, updated_at = $3
       WHERE id = $1`,
      [turn.accountId, brokerUserId, now, this.brokers.of(turn.broker).sessionEnd(askedAt)],
    );
  }

  private async record(
    tx: EntityManager,
    caller: IdentifiedCaller,
    account: Turn,
    brokerUserId: string,
    isRotated: boolean,
  ): Promise<void> {
    const write = <T extends EventType>(type: T, data: EventData[T]) =>
      this.events.record(tx, caller, {
        type,
        subject: `user:${account.userId}`,
        resource: `trading_account:${account.accountId}`,
        data,
      });
    if (account.brokerUserId === null)
      await write('trading_account.linked', { broker: account.broker, broker_user_id: brokerUserId });
    else
      await write('trading_account.credentials_updated', { credentials: isRotated ? 'rotated' : 'session' });
  }
}

/** @throws trading_account_exists */
async function requireFirst(tx: EntityManager, account: Turn, brokerUserId: string): Promise<void> {
  const [other] = await tx.query<{ id: string }[]>(
    `SELECT id FROM trading_accounts
     WHERE user_id = $1 AND broker = $2 AND broker_user_id = $3 AND status <> 'unlinked' AND id <> $4`,
    [account.userId, account.broker, brokerUserId, account.accountId],
  );
  if (other) throw tradingAccountExists({ extra: { trading_account_id: other.id } });
}
