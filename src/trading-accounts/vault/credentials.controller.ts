import { Body, Controller, Header, Headers, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { IdentifiedCaller } from '../../common/caller';
import { notFound, rateLimited } from '../../common/common.errors';
import { bodyErrors } from '../../infra/http/body-errors';
import { CallerParam } from '../../infra/http/caller.decorator';
import { IdParam } from '../../infra/http/id-param.decorator';
import { Operation } from '../../infra/http/operation.decorator';
import { BrokerCredentials, ReadCredentialsBody } from './credentials.dto';
import { HandOverCredentials } from './hand-over-credentials.service';
import { apiKeyRequired, credentialsDamaged, noBrokerSession } from '../trading-accounts.errors';

@ApiTags('Trading accounts')
@Controller('v1/internal/trading-accounts')
export class CredentialsController {
  constructor(private readonly handOver: HandOverCredentials) {}

  @Post(':trading_account_id/credentials')
  @Header('Cache-Control', 'no-store')
  @Operation({
    summary: "Read the session of somebody's account at the broker",
    description:
      'For services with an API key, and never for a browser: a session, or a header `Origin` or `Sec-Fetch-Site`, is ' +
      'refused. Each read is in the audit trail, with its reason, before the reply leaves.',
    reply: BrokerCredentials,
    permission: 'trading_credentials:read',
    apiKeys: 'only',
    errors: [...bodyErrors, apiKeyRequired, notFound, noBrokerSession, credentialsDamaged, rateLimited],
  })
  async run(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('trading_account_id') accountId: string,
    @Body() { reason }: ReadCredentialsBody,
    @Headers('origin') origin: string | undefined,
    @Headers('sec-fetch-site') site: string | undefined,
  ): Promise<BrokerCredentials> {
    const isFromBrowser = origin !== undefined || site !== undefined;
    return this.handOver.run(caller, accountId, { reason, isFromBrowser });
  }
}
