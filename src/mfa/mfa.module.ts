/**
 * The second factor: TOTP (RFC 6238), backup codes, and proof of presence for sensitive calls. It refuses to open
 * sessions, and to accept a code twice.
 */
import { Module } from '@nestjs/common';
import { IdentitiesModule } from '../identities/identities.module';
import { WrappedColumns } from '../infra/kms/wrapped-columns';
import { PasswordsModule } from '../passwords/passwords.module';
import { SessionsModule } from '../sessions/sessions.module';
import { BackupCodeUse } from './backup-code-use';
import { DisableTotp } from './disable-totp.service';
import { EnableTotpRecord } from './enable-totp-record';
import { EnableTotp } from './enable-totp.service';
import { FactorRecord } from './factor-record';
import { FactorTries } from './factor-tries';
import { MfaController } from './mfa.controller';
import { Presence } from './presence.service';
import { RegenerateBackupCodes } from './regenerate-backup-codes.service';
import { RemoveSecondFactor } from './remove-second-factor.service';
import { SecondFactor } from './second-factor.service';
import { SetUpTotp } from './set-up-totp.service';
import { totpContext, TotpSecrets } from './totp-secrets';
import { VerificationTokens } from './verification-tokens';
import { VerifyTotp } from './verify-totp.service';

@Module({
  imports: [IdentitiesModule, SessionsModule, PasswordsModule],
  controllers: [MfaController],
  providers: [
    TotpSecrets,
    FactorRecord,
    FactorTries,
    BackupCodeUse,
    SecondFactor,
    SetUpTotp,
    EnableTotp,
    EnableTotpRecord,
    VerifyTotp,
    VerificationTokens,
    DisableTotp,
    RegenerateBackupCodes,
    RemoveSecondFactor,
    Presence,
  ],
  exports: [SecondFactor, Presence, RemoveSecondFactor],
})
export class MfaModule {
  constructor(columns: WrappedColumns) {
    columns.register({
      table: 'totp_factors',
      id: 'user_id',
      column: 'wrapped_secret',
      context: totpContext,
    });
  }
}
