/**
 * API keys of service accounts: made, listed, looked up, revoked. It refuses to keep a key, to give people one, and to
 * let one do more than its owner may at the time of use.
 */
import { Module } from '@nestjs/common';
import { AuthzModule } from '../authz/authz.module';
import { IdentitiesModule } from '../identities/identities.module';
import { ApiKeyLookup } from './api-key-lookup.service';
import { ApiKeyUsage } from './api-key-usage';
import { ApiKeysController } from './api-keys.controller';
import { CreateApiKey } from './create-api-key.service';
import { ListApiKeys } from './list-api-keys.service';
import { RevokeApiKeys } from './revoke-api-keys.service';

@Module({
  imports: [IdentitiesModule, AuthzModule],
  controllers: [ApiKeysController],
  providers: [CreateApiKey, ListApiKeys, RevokeApiKeys, ApiKeyLookup, ApiKeyUsage],
  exports: [RevokeApiKeys, ApiKeyLookup],
})
export class ApiKeysModule {}
