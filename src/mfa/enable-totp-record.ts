import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AuthenticatedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { invalidAccessToken } from '../common/common.errors';
import { AccountMails } from '../identities/account-mails.service';
import { Events } from '../infra/events/events';
import { EndSessions } from '../sessions/end-sessions.service';
import { FactorRecord } from './factor-record';
import { mfaAlreadyEnabled } from './mfa.errors';
import { mfaEnabledMail } from './mfa-enabled.mail';
import { TotpSecret } from './totp-secrets';

/** What turning the second factor on leaves behind: factor, codes, event and the end of other sessions together. */
@Injectable()
export class EnableTotpRecord {
  constructor(
    private readonly clock: Clock,
    private readonly endSessions: EndSessions,
    private readonly record: FactorRecord,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /** @returns the backup codes. @throws mfa_already_enabled, invalid_access_token when the session was ended just now */
  async write(caller: AuthenticatedCaller, confirmed: TotpSecret & { step: number }): Promise<string[]> {
    const { userId, sessionId } = caller;
    let backupCodes: string[] = [];
    await this.endSessions.run(
      caller,
      { userId, reason: 'mfa_enabled', ends: ({ id }) => id !== sessionId, underWay: true, by: sessionId },
      async (tx) => {
        await setFlag(tx, userId, this.clock.date());
        backupCodes = await this.record.add(tx, userId, confirmed);
        const subject = `user:${userId}`;
        await this.events.record(tx, caller, { type: 'mfa.enabled', subject, data: { method: 'totp' } });
        await this.mails.enqueue(tx, mfaEnabledMail, { user_id: userId }, {});
      },
    );
    return backupCodes;
  }
}

async function setFlag(tx: EntityManager, userId: string, now: Date): Promise<void> {
  const [rows] = await tx.query<[unknown[], number]>(
    `UPDATE users SET mfa_enabled = true, updated_at = $2
     WHERE id = $1 AND NOT mfa_enabled AND deleted_at IS NULL RETURNING id`,
    [userId, now],
  );
  if (rows.length === 1) return;
  const [user] = await tx.query<{ mfa_enabled: boolean }[]>(`SELECT mfa_enabled FROM users WHERE id = $1`, [
    userId,
  ]);
  throw user?.mfa_enabled ? mfaAlreadyEnabled() : invalidAccessToken();
}
