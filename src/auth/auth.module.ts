/**
 * The sign-in use cases: sign-up, sign-in, refresh, sign-out, verified addresses. It joins what the features left of
 * it do, and refuses to do it itself.
 */
import { Module } from '@nestjs/common';
import { AuthzModule } from '../authz/authz.module';
import { IdentitiesModule } from '../identities/identities.module';
import { MfaModule } from '../mfa/mfa.module';
import { OAuthModule } from '../oauth/oauth.module';
import { PasswordsModule } from '../passwords/passwords.module';
import { SessionsModule } from '../sessions/sessions.module';
import { TokensModule } from '../tokens/tokens.module';
import { AuthController } from './auth.controller';
import { BrowserCookie } from './browser-cookie';
import { EmailVerificationMail } from './email-verification.mail';
import { EmailController } from './email.controller';
import { GoogleAccounts } from './google-accounts';
import { GoogleSignIn } from './google-sign-in.service';
import { GoogleController } from './google.controller';
import { LoginLimits } from './login-limits';
import { LoginTrail } from './login-trail';
import { Login } from './login.service';
import { Logout } from './logout.service';
import { RefreshCookie } from './refresh-cookie';
import { Refresh } from './refresh.service';
import { RegisterLimit } from './register-limit';
import { SignInMfaController } from './mfa.controller';
import { MfaChallenges } from './mfa-challenges';
import { NewAccounts } from './new-accounts';
import { Register } from './register.service';
import { SignInRecord } from './sign-in-record';
import { SignInReplies } from './sign-in-replies';
import { SignIn } from './sign-in.service';
import { TokenReplies } from './token-reply';
import { VerifyMfa } from './verify-mfa.service';
import { VerifyEmail } from './verify-email.service';

@Module({
  imports: [
    IdentitiesModule,
    AuthzModule,
    TokensModule,
    SessionsModule,
    PasswordsModule,
    MfaModule,
    OAuthModule,
  ],
  controllers: [AuthController, EmailController, GoogleController, SignInMfaController],
  providers: [
    Register,
    RegisterLimit,
    NewAccounts,
    EmailVerificationMail,
    VerifyEmail,
    Login,
    LoginLimits,
    LoginTrail,
    SignIn,
    MfaChallenges,
    VerifyMfa,
    SignInRecord,
    Refresh,
    RefreshCookie,
    Logout,
    TokenReplies,
    SignInReplies,
    GoogleSignIn,
    GoogleAccounts,
    BrowserCookie,
  ],
  exports: [RefreshCookie],
})
export class AuthModule {}
