/**
 * Sign-in with an OpenID provider: the flow's state, the provider's client, and which account an identity opens. It
 * refuses to open sessions.
 */
import { Module } from '@nestjs/common';

@Module({})
export class OAuthModule {}
