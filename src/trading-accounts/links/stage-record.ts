import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { IdentifiedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { Events } from '../../infra/events/events';
import { credentialsStaged } from './credentials-staged';
import { apiKeyHash } from './link-request';
import { tradingAccountExists } from '../trading-accounts.errors';
import { Turn, Turns } from '../logins/turns.service';
import { CredentialSets, SealedCredentials } from '../vault/credential-sets';

/** Puts credentials in wait for their login, at the end of the account's turn. */
@Injectable()
export class StageRecord {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly turns: Turns,
    private readonly sets: CredentialSets,
    private readonly events: Events,
  ) {}

  /**
   * @throws not_authenticated, permission_denied, not_found, broker_call_in_progress; trading_account_exists where another
   * account waits with the same API key
   */
  async write(
    caller: IdentifiedCaller,
    turn: Turn,
    sealed: SealedCredentials,
    apiKey: string,
  ): Promise<void> {
    await this.db.transaction(async (tx) => {
      const account = await this.turns.lock(tx, caller, turn);
      if (account.status === 'pending_login') await nameAnew(tx, account, apiKeyHash(apiKey));
      await this.sets.stage(tx, turn.accountId, sealed);
      await tx.query(
        `UPDATE trading_accounts SET turn_id = NULL, turn_ends_at = NULL, updated_at = $2 WHERE id = $1`,
        [turn.accountId, this.clock.date()],
      );
      await this.events.record(tx, caller, credentialsStaged(turn));
    });
  }
}

/** A link that waits is known by its API key. */
async function nameAnew(tx: EntityManager, account: Turn, hash: Buffer): Promise<void> {
  const [other] = await tx.query<{ id: string }[]>(
    `SELECT id FROM trading_accounts
     WHERE user_id = $1 AND broker = $2 AND api_key_hash = $3 AND status = 'pending_login' AND id <> $4`,
    [account.userId, account.broker, hash, account.accountId],
  );
  if (other) throw tradingAccountExists({ extra: { trading_account_id: other.id } });
  await tx.query(`UPDATE trading_accounts SET api_key_hash = $2 WHERE id = $1`, [account.accountId, hash]);
}
