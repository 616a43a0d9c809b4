/**
 * People's accounts as they and administrators see them: profile, search, suspension, deletion, purge. It refuses to
 * sign anybody in, and lets nobody touch an account that may do more than they.
 */
import { Module } from '@nestjs/common';
import { ApiKeysModule } from '../api-keys/api-keys.module';
import { AuditExportsModule } from '../audit/exports/audit-exports.module';
import { AuthModule } from '../auth/auth.module';
import { AuthzModule } from '../authz/authz.module';
import { IdentitiesModule } from '../identities/identities.module';
import { MfaModule } from '../mfa/mfa.module';
import { PasswordsModule } from '../passwords/passwords.module';
import { SessionsModule } from '../sessions/sessions.module';
import { TokensModule } from '../tokens/tokens.module';
import { TradingAccountsModule } from '../trading-accounts/trading-accounts.module';
import { AccountAccessController } from './account-access.controller';
import { AccountAccess } from './account-access.service';
import { AccountDeletion } from './account-deletion.service';
import { AccountDeletionRecord } from './account-deletion-record';
import { AccountHoldings } from './account-holdings';
import { AccountsController } from './accounts.controller';
import { Accounts } from './accounts.service';
import { CreateAccount } from './create-account.service';
import { CreateAdministrator } from './create-administrator.service';
import { DeleteAccount } from './delete-account.service';
import { FindAccounts } from './find-accounts.service';
import { InvitationMail } from './invitation.mail';
import { ProfileChanges } from './profile-changes';
import { Profiles } from './profile.service';
import { PurgeDeleted } from './purge-deleted';
import { PurgeRecord } from './purge-record';
import { PurgeSchedule } from './purge-schedule';
import { SuspensionRecord } from './suspension-record';
import { Suspensions } from './suspensions.service';
import { UsersController } from './users.controller';

@Module({
  imports: [
    IdentitiesModule,
    AuthzModule,
    TokensModule,
    SessionsModule,
    PasswordsModule,
    MfaModule,
    TradingAccountsModule,
    AuditExportsModule,
    ApiKeysModule,
    AuthModule,
  ],
  controllers: [UsersController, AccountsController, AccountAccessController],
  providers: [
    Profiles,
    ProfileChanges,
    DeleteAccount,
    AccountDeletion,
    AccountDeletionRecord,
    AccountHoldings,
    PurgeDeleted,
    PurgeRecord,
    PurgeSchedule,
    FindAccounts,
    CreateAccount,
    InvitationMail,
    Accounts,
    Suspensions,
    SuspensionRecord,
    AccountAccess,
    CreateAdministrator,
  ],
  exports: [CreateAdministrator],
})
export class UsersModule {}
