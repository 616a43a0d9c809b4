/**
 * Accounts at brokers: linking, the daily login, sharing, and the vault with their credentials. It refuses to show a
 * credential to anybody but a service with the permission and the owner who has just proved to be there.
 */
import { Module } from '@nestjs/common';
import { AuthzModule } from '../authz/authz.module';
import { IdentitiesModule } from '../identities/identities.module';
import { WrappedColumns } from '../infra/kms/wrapped-columns';
import { MfaModule } from '../mfa/mfa.module';
import { AccountAccess } from './account-access.service';
import { AccountDecisions } from './account-decisions.service';
import { AddMember } from './members/add-member.service';
import { brokerAdapters } from './brokers/broker-adapters';
import { Brokers } from './brokers/brokers.service';
import { ListMembers } from './members/list-members.service';
import { MemberRecord } from './members/member-record';
import { MembersController } from './members/members.controller';
import { RemoveMember } from './members/remove-member.service';
import { RemoveMembers } from './members/remove-members.service';
import { AfterReply } from './logins/after-reply.service';
import { BrokerLogins } from './logins/broker-logins.service';
import { CompleteLogin } from './logins/complete-login.service';
import { ExpireSessions } from './logins/expire-sessions';
import { ExpirySchedule } from './logins/expiry-schedule';
import { LinkAccount } from './links/link-account.service';
import { LinkRecord } from './links/link-record';
import { LinksController } from './links/links.controller';
import { LastSessions } from './logins/last-sessions.service';
import { LogIn } from './logins/log-in.service';
import { LoginRecord } from './logins/login-record';
import { LoginUrls } from './logins/login-urls.service';
import { OwnAccountItem } from './links/own-account-item.service';
import { ReplacedSession } from './logins/replaced-session.service';
import { RotateCredentials } from './links/rotate-credentials.service';
import { SessionEndRecord } from './logins/session-end-record';
import { StageRecord } from './links/stage-record';
import { Turns } from './logins/turns.service';
import { UnlinkAccounts } from './links/unlink-accounts.service';
import { UnlinkRecord } from './links/unlink-record';
import { VerdictRecord } from './logins/verdict-record';
import { VerifyAccount } from './logins/verify-account.service';
import { Sharing } from './members/sharing.service';
import { ReadAccounts } from './reading/read-accounts.service';
import { ReadOwnCredentials } from './vault/read-own-credentials.service';
import { HandOverCredentials } from './vault/hand-over-credentials.service';
import { UpdateAccount } from './reading/update-account.service';
import { TradingAccountsController } from './reading/trading-accounts.controller';
import { CredentialsController } from './vault/credentials.controller';
import { AuditedCredentials } from './vault/audited-credentials.service';
import { CredentialDamage } from './vault/credential-damage.service';
import { CredentialSets } from './vault/credential-sets';
import { CredentialsVault } from './vault/credentials-vault.service';
import { dataKeyContext, DataKeys } from './vault/data-keys';

@Module({
  imports: [IdentitiesModule, AuthzModule, MfaModule],
  controllers: [TradingAccountsController, CredentialsController, MembersController, LinksController],
  providers: [
    LinkAccount,
    LogIn,
    RotateCredentials,
    VerifyAccount,
    UnlinkAccounts,
    CompleteLogin,
    Turns,
    LinkRecord,
    LoginRecord,
    StageRecord,
    VerdictRecord,
    UnlinkRecord,
    SessionEndRecord,
    ReplacedSession,
    ExpireSessions,
    ExpirySchedule,
    AfterReply,
    BrokerLogins,
    LastSessions,
    LoginUrls,
    OwnAccountItem,
    AccountAccess,
    AccountDecisions,
    Sharing,
    AddMember,
    MemberRecord,
    ListMembers,
    RemoveMember,
    RemoveMembers,
    ...brokerAdapters,
    Brokers,
    CredentialSets,
    DataKeys,
    CredentialDamage,
    CredentialsVault,
    AuditedCredentials,
    ReadAccounts,
    ReadOwnCredentials,
    UpdateAccount,
    HandOverCredentials,
  ],
  exports: [RemoveMembers, UnlinkAccounts],
})
export class TradingAccountsModule {
  constructor(columns: WrappedColumns) {
    columns.register({
      table: 'trading_accounts',
      id: 'id',
      column: 'wrapped_data_key',
      context: dataKeyContext,
    });
  }
}
