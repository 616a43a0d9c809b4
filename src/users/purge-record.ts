import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { systemCaller } from '../common/caller';
import { newId } from '../common/ids';
import { Events } from '../infra/events/events';
import { PLANNING } from '../infra/events/planning';

/** Whatever else says something of a person, or of what they were given, and belongs to nobody now. */
const TABLES = [
  'known_devices',
  'one_time_tokens',
  'totp_factors',
  'mfa_backup_codes',
  'auth_providers',
  'api_keys',
  'audit_exports',
  'trading_account_members',
  'trading_accounts',
  'user_permissions',
  'user_roles',
];

/** Few enough for a statement of a request's length, however much somebody has done here. */
const EVENT_BATCH = 1_000;

export const ERASE_EVENTS = `
  WITH batch AS MATERIALIZED (
    SELECT p.event_id, p."timestamp", p.part FROM event_personal_data p
    WHERE p.user_id = $1 AND EXISTS (
      SELECT FROM users WHERE id = $1 AND status = 'deleted' AND deleted_at <= $2 AND purged_at IS NULL)
    LIMIT $3::int FOR UPDATE OF p SKIP LOCKED
  )
  DELETE FROM event_personal_data p USING batch
  WHERE p.event_id = batch.event_id AND p."timestamp" = batch."timestamp" AND p.part = batch.part`;

/**
 * Erases one account: what its events say of the person in small batches first, and then all else in one transaction,
 * or nothing. Interrupted anywhere it is not purged yet, and the next run goes on.
 */
@Injectable()
export class PurgeRecord {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
  ) {}

  /**
   * Erases what is kept of a person. The row stays, for the events that speak of its id; and the events, for the chain.
   * @param before only if the account was deleted by then.
   * @param signal ends it between two batches.
   * @returns false where it was not, is purged already, another process has it in hand, or it was ended.
   */
  async write(userId: string, before: Date, signal?: AbortSignal): Promise<boolean> {
    while ((await this.eraseEvents(userId, before)) === EVENT_BATCH) if (signal?.aborted) return false;
    return this.db.transaction(async (tx) => {
      await tx.query(PLANNING);
      const [account] = await tx.query<{ email: string | null; deleted_at: Date }[]>(
        `SELECT email, deleted_at FROM users
         WHERE id = $1 AND status = 'deleted' AND deleted_at <= $2 AND purged_at IS NULL
         FOR UPDATE SKIP LOCKED`,
        [userId, before],
      );
      if (!account) return false;
      await eraseMails(tx, userId, account);
      // What has come since, or is in another process' batch: nothing is left when it commits.
      await tx.query(`DELETE FROM event_personal_data WHERE user_id = $1`, [userId]);
      for (const table of TABLES) await tx.query(`DELETE FROM ${table} WHERE user_id = $1`, [userId]);
      await tx.query(
        `UPDATE users SET email = NULL, email_verified_at = NULL, name = 'Deleted user', phone = NULL,
           avatar_url = NULL, timezone = 'UTC', locale = 'en-US', password_hash = NULL, password_changed_at = NULL,
           last_login_at = NULL, purged_at = $2, updated_at = $2
         WHERE id = $1`,
        [userId, this.clock.date()],
      );
      await this.events.record(tx, systemCaller(newId()), {
        type: 'user.purged',
        subject: `user:${userId}`,
        data: {},
      });
      return true;
    });
  }

  /** A batch of what events, also those of others, say of this person beside ids. @returns how many parts are gone. */
  private async eraseEvents(userId: string, before: Date): Promise<number> {
    return this.db.transaction(async (tx) => {
      await tx.query(PLANNING);
      const [, erased] = await tx.query<[unknown, number]>(ERASE_EVENTS, [userId, before, EVENT_BATCH]);
      return erased;
    });
  }
}

/**
 * Mails that were given up are kept for the operator, with the address; what they invited others to names them too. Somebody
 * else may have the address since: theirs stay.
 */
async function eraseMails(
  tx: EntityManager,
  userId: string,
  { email, deleted_at }: { email: string | null; deleted_at: Date },
): Promise<void> {
  await tx.query(
    `DELETE FROM mail_outbox
     WHERE failed_at IS NOT NULL
       AND ($1 IN (payload->>'user_id', payload->>'inviter_id') OR (payload->>'email' = $2 AND created_at <= $3))`,
    [userId, email, deleted_at],
  );
}
