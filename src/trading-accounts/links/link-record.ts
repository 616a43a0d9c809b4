import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../../authz/authority.service';
import { IdentifiedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { newId } from '../../common/ids';
import { Events } from '../../infra/events/events';
import { credentialsStaged } from './credentials-staged';
import { LinkRequest } from './link-request';
import { lockOwner, requireVerified } from '../owner-lock';
import {
  brokerCallInProgress,
  idempotencyKeyReused,
  tooManyTradingAccounts,
  tradingAccountExists,
} from '../trading-accounts.errors';
import { Turn, Turns } from '../logins/turns.service';
import { CredentialSets, SealedCredentials } from '../vault/credential-sets';
import { AccountKey } from '../vault/credentials-vault.service';

/** Unlinked ones do not count. */
export const MOST_ACCOUNTS = 20;
/** For how long a request can be repeated with the same Idempotency-Key. */
const REPEATABLE_MS = 24 * 3600 * 1000;

/** What an earlier call with the same Idempotency-Key has made. */
export interface Repeated {
  accountId: string;
}

interface Earlier {
  id: string;
  isSame: boolean;
  isUnderWay: boolean;
}

/** Accounts that wait for their first login: what there is of them before the broker is asked. */
@Injectable()
export class LinkRecord {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly turns: Turns,
    private readonly sets: CredentialSets,
    private readonly authority: Authority,
    private readonly events: Events,
  ) {}

  /**
   * Whether this can be linked; asked first without a lock, so that the KMS works for nobody who may not.
   * @param since when the request came: an account that was linked with the same app after that is from its twin.
   * @returns what an earlier call with the same Idempotency-Key has made; null where there was none.
   * @throws email_not_verified, not_authenticated, idempotency_key_reused, broker_call_in_progress,
   * trading_account_exists, too_many_trading_accounts
   */
  async look(
    userId: string,
    request: LinkRequest,
    since: Date,
    db: EntityManager = this.db,
  ): Promise<Repeated | null> {
    await requireVerified(db, userId);
    // In this order: a twin that is found was there before the key is looked up, and may have come with it.
    const twin = await findTwin(db, userId, request, since);
    const earlier = request.idempotency && (await this.earlier(db, userId, request.idempotency));
    if (earlier) {
      if (!earlier.isSame) throw idempotencyKeyReused();
      if (earlier.isUnderWay) throw brokerCallInProgress();
      return { accountId: earlier.id };
    }
    if (twin) throw tradingAccountExists({ extra: { trading_account_id: twin.id } });
    await requireRoom(db, userId);
    return null;
  }

  /**
   * Writes the account with its staged credentials.
   * @param takesTurn whether its login is proved by the same call.
   * @returns its turn, whose mark is in the table where `takesTurn`; or what was made before. @throws as `look`, and permission_denied
   */
  async begin(
    caller: IdentifiedCaller,
    request: LinkRequest,
    made: { key: AccountKey; sealed: SealedCredentials; since: Date; takesTurn: boolean },
  ): Promise<Turn | Repeated> {
    const { key, sealed, since, takesTurn } = made;
    const { userId } = caller;
    return this.db.transaction(async (tx) => {
      await lockOwner(tx, userId);
      await this.authority.requireNow(tx, caller, []);
      const repeated = await this.look(userId, request, since, tx);
      if (repeated) return repeated;
      await this.forgetOld(tx, userId, request);
      const turnId = newId();
      const now = this.clock.date();
      await tx.query(
        `INSERT INTO trading_accounts
           (id, user_id, broker, nickname, status, created_at, updated_at, wrapped_data_key, api_key_hash,
            turn_id, turn_ends_at, idempotency_key_hash, idempotent_request_hash)
         VALUES ($1, $2, $3, $4, 'pending_login', $5, $5, $6, $7, $8, $9, $10, $11)`,
        [
          key.accountId,
          userId,
          request.broker,
          request.nickname,
          now,
          key.wrappedDataKey,
          request.apiKeyHash,
          takesTurn ? turnId : null,
          takesTurn ? this.turns.end() : null,
          request.idempotency?.keyHash ?? null,
          request.idempotency?.requestHash ?? null,
        ],
      );
      await this.sets.stage(tx, key.accountId, sealed);
      // The other one is on record with its login, or gone.
      if (!takesTurn)
        await this.events.record(tx, caller, credentialsStaged({ accountId: key.accountId, userId }));
      const { broker } = request;
      return { ...key, id: turnId, userId, broker, brokerUserId: null, status: 'pending_login' };
    });
  }

  /** Takes a link back that could not be proved: an error changes nothing. */
  async discard({ id, accountId }: Turn): Promise<void> {
    await this.db.query(
      `DELETE FROM trading_accounts WHERE id = $1 AND turn_id = $2 AND status = 'pending_login'`,
      [accountId, id],
    );
  }

  private async earlier(
    db: EntityManager,
    userId: string,
    { keyHash, requestHash }: NonNullable<LinkRequest['idempotency']>,
  ): Promise<Earlier | undefined> {
    const [earlier] = await db.query<Earlier[]>(
      `SELECT id, idempotent_request_hash = $3 AS "isSame",
              status = 'pending_login' AND turn_id IS NOT NULL AND turn_ends_at > $5 AS "isUnderWay"
       FROM trading_accounts
       WHERE user_id = $1 AND idempotency_key_hash = $2 AND status <> 'unlinked' AND created_at > $4`,
      [userId, keyHash, requestHash, new Date(this.clock.now() - REPEATABLE_MS), this.clock.date()],
    );
    return earlier;
  }

  /** A day later the key is free again. */
  private async forgetOld(tx: EntityManager, userId: string, { idempotency }: LinkRequest): Promise<void> {
    if (!idempotency) return;
    await tx.query(
      `UPDATE trading_accounts SET idempotency_key_hash = NULL, idempotent_request_hash = NULL
       WHERE user_id = $1 AND idempotency_key_hash = $2`,
      [userId, idempotency.keyHash],
    );
  }
}

/**
 * Of one app, one link waits for its login. Of calls at the same time, those that come too late for that would exchange
 * a token of their own, and so replace the session of the account that was linked meanwhile: they find it instead.
 */
async function findTwin(
  db: EntityManager,
  userId: string,
  { broker, apiKeyHash }: LinkRequest,
  since: Date,
): Promise<{ id: string } | undefined> {
  const [twin] = await db.query<{ id: string }[]>(
    `SELECT id FROM trading_accounts
     WHERE user_id = $1 AND broker = $2 AND api_key_hash = $3 AND status <> 'unlinked'
       AND (status = 'pending_login' OR linked_at >= $4)`,
    [userId, broker, apiKeyHash, since],
  );
  return twin;
}

/** @throws too_many_trading_accounts */
async function requireRoom(db: EntityManager, userId: string): Promise<void> {
  const [{ count }] = await db.query<[{ count: number }]>(
    `SELECT count(*)::int AS count FROM trading_accounts WHERE user_id = $1 AND status <> 'unlinked'`,
    [userId],
  );
  if (count >= MOST_ACCOUNTS) throw tooManyTradingAccounts();
}
