import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';

/** Takes the exports of an account away, with the account. */
@Injectable()
export class ForgetExports {
  /**
   * In a transaction that has locked the account's row. The keys go: nobody can open the files from then on, nor go on
   * writing them. However many there are it takes a moment; `ExpiredExports` deletes what is left within a minute.
   */
  async ofUser(tx: EntityManager, userId: string): Promise<void> {
    // Over by every clock: an instance whose own is behind would take one without its key for damaged.
    await tx.query(
      `UPDATE audit_exports SET wrapped_data_key = NULL, expires_at = to_timestamp(0) WHERE user_id = $1`,
      [userId],
    );
  }
}
