import { Body, Controller, Delete, Get, Header, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { escalationRefused } from '../authz/authz.errors';
import type { AuthenticatedCaller, IdentifiedCaller } from '../common/caller';
import { conflict, notFound, validationFailed } from '../common/common.errors';
import { PageQuery } from '../common/pagination';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { IdParam } from '../infra/http/id-param.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { ApiKeyList, CreateApiKeyBody, CreatedApiKey } from './api-keys.dto';
import { notAServiceAccount, tooManyApiKeys } from './api-keys.errors';
import { CreateApiKey } from './create-api-key.service';
import { ListApiKeys } from './list-api-keys.service';
import { RevokeApiKeys } from './revoke-api-keys.service';

@ApiTags('API keys')
@Controller('v1')
export class ApiKeysController {
  constructor(
    private readonly create_: CreateApiKey,
    private readonly list_: ListApiKeys,
    private readonly revoke_: RevokeApiKeys,
  ) {}

  @Post('users/:user_id/api-keys')
  @Header('Cache-Control', 'no-store')
  @Operation({
    summary: 'Make an API key for a service account',
    description:
      'The key is shown once. It is sent in the header `X-API-Key`, and allows what it names as far as the account ' +
      'holds it at that moment. Nobody gives a key what they lack, or for longer than they hold it. It takes a session. Text that looks like one: `us_live_[0-9A-Za-z]{38}`.',
    status: 201,
    reply: CreatedApiKey,
    permission: 'user:write',
    apiKeys: false,
    errors: [...bodyErrors, notFound, escalationRefused, notAServiceAccount, tooManyApiKeys, conflict],
  })
  async create(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('user_id') userId: string,
    @Body() body: CreateApiKeyBody,
  ): Promise<CreatedApiKey> {
    return this.create_.run(caller, userId, body);
  }

  @Get('users/:user_id/api-keys')
  @Operation({
    summary: 'The API keys of an account',
    description: 'Newest first. Revoked keys are not listed; expired ones are, for 30 days at least.',
    reply: ApiKeyList,
    permission: 'user:read',
    errors: [notFound, validationFailed],
  })
  async list(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('user_id') userId: string,
    @Query() page: PageQuery,
  ): Promise<ApiKeyList> {
    return this.list_.run(caller, userId, page);
  }

  @Delete('api-keys/:key_id')
  @Operation({
    summary: 'Revoke an API key',
    description: 'In force at once, on every instance.',
    status: 204,
    permission: 'user:write',
    errors: [...bodyErrors, notFound, escalationRefused],
  })
  async revoke(@CallerParam() caller: IdentifiedCaller, @IdParam('key_id') keyId: string): Promise<void> {
    await this.revoke_.one(caller, keyId);
  }
}
