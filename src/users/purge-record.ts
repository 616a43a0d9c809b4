import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { systemCaller } from '../common/caller';
import { newId } from '../common/ids';
import { Events } from '../infra/events/events';

/** Whatever else says something of a person, or of what they were given, and belongs to nobody now. */
const TABLES = [
  'known_devices',
  'one_time_tokens',
  'totp_factors',
  'mfa_backup_codes',
  'auth_providers',
  'api_keys',
  'trading_account_members',
  'trading_accounts',
  'user_permissions',
  'user_roles',
];

/** Erases one account: all of it in one transaction, or nothing. */
@Injectable()
export class PurgeRecord {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
  ) {}

  /**
   * Erases what is kept of a person. The row stays, for the events that speak of its id.
   * @param before only if the account was deleted by then.
   * @returns false where it was not, is purged already, or another process has it in hand.
   */
  async write(userId: string, before: Date): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const [account] = await tx.query<{ email: string | null; deleted_at: Date }[]>(
        `SELECT email, deleted_at FROM users
         WHERE id = $1 AND status = 'deleted' AND deleted_at <= $2 AND purged_at IS NULL
         FOR UPDATE SKIP LOCKED`,
        [userId, before],
      );
      if (!account) return false;
      await eraseMails(tx, userId, account);
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
