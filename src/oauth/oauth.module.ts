/**
 * Sign-in with an OpenID provider: the flow's state, the provider's client, and which account an identity opens. It
 * refuses to open sessions.
 */
import { Module } from '@nestjs/common';
import { AuthzModule } from '../authz/authz.module';
import { IdentitiesModule } from '../identities/identities.module';
import { MfaModule } from '../mfa/mfa.module';
import { SessionsModule } from '../sessions/sessions.module';
import { TokensModule } from '../tokens/tokens.module';
import { ClaimAccount } from './claim-account.service';
import { CreateLinkedAccount } from './create-linked-account.service';
import { GoogleClient } from './google-client';
import { JoinAccount } from './join-account.service';
import { LinkIdentity } from './link-identity.service';
import { OAuthStates } from './oauth-states';
import { ProviderLinks } from './provider-links.service';

@Module({
  imports: [IdentitiesModule, AuthzModule, TokensModule, SessionsModule, MfaModule],
  providers: [
    OAuthStates,
    GoogleClient,
    ProviderLinks,
    CreateLinkedAccount,
    JoinAccount,
    ClaimAccount,
    LinkIdentity,
  ],
  exports: [OAuthStates, GoogleClient, LinkIdentity],
})
export class OAuthModule {}
