import { DynamicModule, Module } from '@nestjs/common';
import { ApiKey } from './api-keys/api-key.entity';
import { ApiKeysModule } from './api-keys/api-keys.module';
import { AuditModule } from './audit/audit.module';
import { AuthModule } from './auth/auth.module';
import { AuthzModule } from './authz/authz.module';
import { Config } from './config/config';
import { ConfigModule } from './config/config.module';
import { HttpModule } from './doors/http/http.module';
import { IdentitiesModule } from './identities/identities.module';
import { User } from './identities/user.entity';
import { BackgroundModule } from './infra/background';
import { DatabaseModule } from './infra/database/database.module';
import { EventsModule } from './infra/events/events.module';
import { HealthModule } from './infra/health/health.module';
import { JobsModule } from './infra/jobs/jobs.module';
import { KmsModule } from './infra/kms/kms.module';
import { LimitsModule } from './infra/limits/limits.module';
import { MailModule } from './infra/mail/mail.module';
import { MetricsModule } from './infra/metrics/metrics.module';
import { NearModule } from './infra/near/near.module';
import { RedisModule } from './infra/redis/redis.module';
import { MfaModule } from './mfa/mfa.module';
import { OAuthModule } from './oauth/oauth.module';
import { PasswordsModule } from './passwords/passwords.module';
import { SessionsModule } from './sessions/sessions.module';
import { OneTimeToken } from './tokens/one-time-token.entity';
import { SigningKey } from './tokens/signing-key.entity';
import { TokensModule } from './tokens/tokens.module';
import { TradingAccountsModule } from './trading-accounts/trading-accounts.module';
import { UsersModule } from './users/users.module';
import { WebhooksModule } from './webhooks/webhooks.module';

/** The whole service, left to right as on the ladder (README, architecture). */
@Module({})
export class AppModule {
  /** @param background false for a command that runs beside the service: no relay, no mail. */
  static with(config: Config, { background = true }: { background?: boolean } = {}): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.with(config),
        BackgroundModule.with(background),
        DatabaseModule.with([User, SigningKey, OneTimeToken, ApiKey]),
        RedisModule,
        NearModule,
        JobsModule,
        KmsModule,
        EventsModule,
        MailModule,
        LimitsModule,
        MetricsModule,
        HealthModule,
        IdentitiesModule,
        AuthzModule,
        TokensModule,
        SessionsModule,
        PasswordsModule,
        MfaModule,
        TradingAccountsModule,
        OAuthModule,
        AuditModule,
        WebhooksModule,
        ApiKeysModule,
        AuthModule,
        UsersModule,
        HttpModule.with(config),
      ],
    };
  }
}
