import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { newId } from '../common/ids';
import { backupCodeHash, newBackupCodes, withDash } from './backup-codes';

/**
 * The tables of the second factor. A code is used up by one conditional statement, so that of any number of
 * simultaneous tries, on whatever instance, one gets it. Whoever changes more than that has locked the user's row.
 */
@Injectable()
export class FactorRecord {
  constructor(private readonly clock: Clock) {}

  /** The wrapped secret; null where the account has no factor. */
  async wrappedSecret(tx: EntityManager, userId: string): Promise<Buffer | null> {
    const [row] = await tx.query<{ wrapped_secret: Buffer }[]>(
      `SELECT wrapped_secret FROM totp_factors WHERE user_id = $1`,
      [userId],
    );
    return row?.wrapped_secret ?? null;
  }

  /** Locks the user's row. @returns whether the factor is still the one with this secret. */
  async lockIfStill(tx: EntityManager, userId: string, { wrapped }: { wrapped: Buffer }): Promise<boolean> {
    await tx.query(`SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE`, [userId]);
    return (await this.wrappedSecret(tx, userId))?.equals(wrapped) ?? false;
  }

  /**
   * Accepts the code of a time step, if neither it nor a newer one has been (RFC 6238 section 5.2).
   * @param wrapped the secret that the code was compared with: it may have been replaced since.
   */
  async acceptStep(tx: EntityManager, userId: string, wrapped: Buffer, step: number): Promise<boolean> {
    const [rows] = await tx.query<[unknown[], number]>(
      `UPDATE totp_factors SET last_step = $3
       WHERE user_id = $1 AND wrapped_secret = $2 AND last_step < $3 RETURNING user_id`,
      [userId, wrapped, step],
    );
    return rows.length === 1;
  }

  /** Uses a backup code up. @returns how many are left; null where there is no such code, or no longer. */
  async spendBackupCode(tx: EntityManager, userId: string, hash: Buffer): Promise<number | null> {
    const [rows] = await tx.query<[{ others: number }[], number]>(
      `UPDATE mfa_backup_codes SET used_at = $3
       WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL
       RETURNING (SELECT count(*)::int FROM mfa_backup_codes
                  WHERE user_id = $1 AND used_at IS NULL AND code_hash <> $2) AS others`,
      [userId, hash, this.clock.date()],
    );
    return rows[0]?.others ?? null;
  }

  /** @param step of the code that has confirmed it, accepted herewith. */
  async add(
    tx: EntityManager,
    userId: string,
    { secret, wrapped, step }: { secret: string; wrapped: Buffer; step: number },
  ): Promise<string[]> {
    await tx.query(
      `INSERT INTO totp_factors (user_id, wrapped_secret, last_step, enabled_at) VALUES ($1, $2, $3, $4)`,
      [userId, wrapped, step, this.clock.date()],
    );
    return this.replaceBackupCodes(tx, userId, secret);
  }

  /** @returns the new codes; the old ones are over. */
  async replaceBackupCodes(tx: EntityManager, userId: string, secret: string): Promise<string[]> {
    const codes = newBackupCodes();
    await tx.query(`DELETE FROM mfa_backup_codes WHERE user_id = $1`, [userId]);
    await tx.query(
      `INSERT INTO mfa_backup_codes (id, user_id, code_hash, created_at)
       SELECT id, $1, code_hash, $4 FROM unnest($2::uuid[], $3::bytea[]) AS made (id, code_hash)`,
      [userId, codes.map(newId), codes.map((code) => backupCodeHash(secret, code)), this.clock.date()],
    );
    return codes.map(withDash);
  }

  /** Takes the flag, which locks the user's row, the secret and the codes. @returns whether there was a factor. */
  async remove(tx: EntityManager, userId: string): Promise<boolean> {
    const [rows] = await tx.query<[unknown[], number]>(
      `UPDATE users SET mfa_enabled = false, updated_at = $2 WHERE id = $1 AND mfa_enabled RETURNING id`,
      [userId, this.clock.date()],
    );
    await tx.query(`DELETE FROM mfa_backup_codes WHERE user_id = $1`, [userId]);
    await tx.query(`DELETE FROM totp_factors WHERE user_id = $1`, [userId]);
    return rows.length === 1;
  }
}
