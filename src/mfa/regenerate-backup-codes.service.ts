import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AuthenticatedCaller } from '../common/caller';
import { AccountMails } from '../identities/account-mails.service';
import { Events } from '../infra/events/events';
import { backupCodesRegeneratedMail } from './backup-codes-regenerated.mail';
import { FactorRecord } from './factor-record';
import { BackupCodesReply, MfaCodeBody } from './mfa.dto';
import { mfaNotEnabled } from './mfa.errors';
import { SecondFactor } from './second-factor.service';

/** Makes new backup codes; the old ones no longer work. */
@Injectable()
export class RegenerateBackupCodes {
  constructor(
    private readonly db: EntityManager,
    private readonly factor: SecondFactor,
    private readonly record: FactorRecord,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /** @throws mfa_not_enabled, invalid_mfa_code, rate_limited, second_factor_damaged */
  async run(caller: AuthenticatedCaller, { code }: MfaCodeBody): Promise<BackupCodesReply> {
    const { userId } = caller;
    const { factor } = await this.factor.prove(caller, userId, code);
    return this.db.transaction(async (tx) => {
      // Codes of a factor that was replaced since would be good for nothing.
      if (!(await this.record.lockIfStill(tx, userId, factor))) throw mfaNotEnabled();
      const codes = await this.record.replaceBackupCodes(tx, userId, factor.secret);
      await this.events.record(tx, caller, {
        type: 'mfa.backup_codes_regenerated',
        subject: `user:${userId}`,
        data: { count: codes.length },
      });
      await this.mails.enqueue(tx, backupCodesRegeneratedMail, { user_id: userId }, {});
      return { backup_codes: codes };
    });
  }
}
