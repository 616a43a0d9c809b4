/**
 * Signing keys, access tokens, opaque tokens, JWKS. It refuses to know sessions or users: a token says what it was
 * told to say, and whether its session still lives is asked elsewhere.
 */
import { Module } from '@nestjs/common';
import { WrappedColumns } from '../infra/kms/wrapped-columns';
import { AccessTokens } from './access-tokens.service';
import { JwksController } from './jwks.controller';
import { KeyRing } from './key-ring';
import { OneTimeTokens } from './one-time-tokens.service';
import { OpaqueTokens } from './opaque-tokens.service';
import { signingKeyContext } from './signing-key.entity';
import { SigningKeys } from './signing-keys.service';

@Module({
  controllers: [JwksController],
  providers: [SigningKeys, KeyRing, AccessTokens, OpaqueTokens, OneTimeTokens],
  exports: [SigningKeys, KeyRing, AccessTokens, OpaqueTokens, OneTimeTokens],
})
export class TokensModule {
  constructor(columns: WrappedColumns) {
    columns.register({
      table: 'signing_keys',
      id: 'kid',
      column: 'wrapped_secret',
      // What a revoked key signed is believed no more, and seals are checked with the public part.
      needed: 'revoked_at IS NULL',
      context: signingKeyContext,
    });
  }
}
