/**
 * Passwords: what they must be like, their hashes, change and reset. It refuses to sign anybody in, and to hash on
 * the event loop or in libuv's pool.
 */
import { Module } from '@nestjs/common';
import { IdentitiesModule } from '../identities/identities.module';
import { SessionsModule } from '../sessions/sessions.module';
import { TokensModule } from '../tokens/tokens.module';
import { ChangePassword } from './change-password.service';
import { CurrentPassword } from './current-password.service';
import { PasswordChangeRecord } from './password-change-record';
import { PasswordResetRecord } from './password-reset-record';
import { RequestPasswordReset } from './request-password-reset.service';
import { PasswordHasher } from './password-hasher';
import { PasswordPolicy } from './password-policy';
import { PasswordResetMail } from './password-reset.mail';
import { PasswordsController } from './passwords.controller';
import { ResetLinkOwner } from './reset-link-owner.service';
import { ResetPassword } from './reset-password.service';

@Module({
  imports: [IdentitiesModule, TokensModule, SessionsModule],
  controllers: [PasswordsController],
  providers: [
    PasswordHasher,
    PasswordPolicy,
    PasswordResetMail,
    RequestPasswordReset,
    ResetLinkOwner,
    ResetPassword,
    PasswordResetRecord,
    CurrentPassword,
    ChangePassword,
    PasswordChangeRecord,
  ],
  exports: [PasswordHasher, PasswordPolicy, CurrentPassword],
})
export class PasswordsModule {}
