import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { AccountMails } from '../identities/account-mails.service';
import { Events } from '../infra/events/events';
import { backupCodeUsedMail } from './backup-code-used.mail';
import { FactorRecord } from './factor-record';

/** Spends backup codes. The owner hears of each: it is the way in for whoever found the paper. */
@Injectable()
export class BackupCodeUse {
  constructor(
    private readonly db: EntityManager,
    private readonly record: FactorRecord,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /** @returns false where there is no such code, or no longer. */
  async spend(caller: Caller, userId: string, hash: Buffer): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      // First, as everywhere: whoever removes the codes may wait for theirs with the subject's lock in hand.
      await tx.query(`SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE`, [userId]);
      const remaining = await this.record.spendBackupCode(tx, userId, hash);
      if (remaining === null) return false;
      await this.events.record(tx, caller, {
        type: 'mfa.backup_code_used',
        subject: `user:${userId}`,
        data: { remaining },
      });
      await this.mails.enqueue(tx, backupCodeUsedMail, { user_id: userId }, { remaining });
      return true;
    });
  }
}
