import { Body, Controller, Get, Header, Headers, Patch, Query } from '@nestjs/common';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import type { AuthenticatedCaller } from '../../common/caller';
import { notFound, rateLimited, validationFailed } from '../../common/common.errors';
import { bodyErrors } from '../../infra/http/body-errors';
import { CallerParam } from '../../infra/http/caller.decorator';
import { IdParam } from '../../infra/http/id-param.decorator';
import { Operation } from '../../infra/http/operation.decorator';
import { verificationRequired } from '../../mfa/mfa.errors';
import { ReadAccounts } from './read-accounts.service';
import { ReadOwnCredentials } from '../vault/read-own-credentials.service';
import {
  TradingAccountList,
  TradingAccountsQuery,
  TradingAccountStatus,
  UpdateTradingAccountBody,
} from './reading.dto';
import { TradingAccountItem } from '../trading-accounts.dto';
import { accountPermissionDenied, ownerRequired, secondFactorRequired } from '../trading-accounts.errors';
import { UpdateAccount } from './update-account.service';

@ApiTags('Trading accounts')
@Controller('v1/trading-accounts')
export class TradingAccountsController {
  constructor(
    private readonly read: ReadAccounts,
    private readonly readCredentials: ReadOwnCredentials,
    private readonly update_: UpdateAccount,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiHeader({
    name: 'X-Verification-Token',
    required: false,
    description: 'From POST /v1/mfa/totp/verify, for `include_credentials=true`',
  })
  @Operation({
    summary: 'Your trading accounts, and those that are shared with you',
    description:
      'Newest first. With `include_credentials=true` your own alone, with their secrets: that takes a second factor ' +
      'that is on, and `X-Verification-Token`; ten times an hour; each account in the audit trail. An account whose ' +
      'secrets cannot be read has `credentials: null` and says why in `credentials_error`.',
    reply: TradingAccountList,
    permission: 'trading_account:view',
    apiKeys: false,
    errors: [validationFailed, secondFactorRequired, verificationRequired, rateLimited],
  })
  async list(
    @CallerParam() caller: AuthenticatedCaller,
    @Query() query: TradingAccountsQuery,
    @Headers('x-verification-token') verificationToken: string | undefined,
  ): Promise<TradingAccountList> {
    return query.include_credentials
      ? this.readCredentials.list(caller, query, verificationToken)
      : this.read.list(caller, query);
  }

  @Get(':trading_account_id')
  @Header('Cache-Control', 'no-store')
  @Operation({
    summary: 'A trading account',
    description:
      'Its owner gets `login_url` while a login is needed, and `rotation_login_url` while new credentials wait for one.',
    reply: TradingAccountItem,
    permission: 'trading_account:view',
    apiKeys: false,
    errors: [notFound],
  })
  async one(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('trading_account_id') accountId: string,
  ): Promise<TradingAccountItem> {
    return this.read.one(caller, accountId);
  }

  @Patch(':trading_account_id')
  @Header('Cache-Control', 'no-store')
  @Operation({
    summary: 'Change nickname and preferences',
    description:
      'Only what is given changes. It needs `manage` of the account, and the owner for the preference ' +
      '`session_expired_mail`. Credentials are rotated, not changed.',
    reply: TradingAccountItem,
    permission: 'trading_account:manage',
    apiKeys: false,
    errors: [...bodyErrors, notFound, accountPermissionDenied, ownerRequired],
  })
  async update(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('trading_account_id') accountId: string,
    @Body() body: UpdateTradingAccountBody,
  ): Promise<TradingAccountItem> {
    return this.update_.run(caller, accountId, body);
  }

  @Get(':trading_account_id/status')
  @Operation({
    summary: 'Whether a trading account can be used now',
    description: 'As it is known here: the broker is not asked. `POST …/verify` asks it.',
    reply: TradingAccountStatus,
    permission: 'trading_account:view',
    apiKeys: false,
    errors: [notFound],
  })
  async status(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('trading_account_id') accountId: string,
  ): Promise<TradingAccountStatus> {
    return this.read.status(caller, accountId);
  }
}
