import { Body, Controller, Delete, Header, Headers, Post, Res } from '@nestjs/common';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import type { AuthenticatedCaller } from '../../common/caller';
import { notFound, rateLimited } from '../../common/common.errors';
import { emailNotVerified } from '../../identities/identities.errors';
import { bodyErrors } from '../../infra/http/body-errors';
import { CallerParam } from '../../infra/http/caller.decorator';
import type { HttpReply } from '../../infra/http/http-request';
import { IdParam } from '../../infra/http/id-param.decorator';
import { Operation } from '../../infra/http/operation.decorator';
import { LinkAccount } from './link-account.service';
import { CredentialsBody, LinkBody, SessionBody, UnlinkedReply, VerifiedReply } from './links.dto';
import { LogIn } from '../logins/log-in.service';
import { OwnAccountItem } from './own-account-item.service';
import { RotateCredentials } from './rotate-credentials.service';
import { TradingAccountItem } from '../trading-accounts.dto';
import {
  accountPermissionDenied,
  brokerBadAnswer,
  brokerCallInProgress,
  brokerRefused,
  brokerUnavailable,
  brokerUserMismatch,
  credentialsDamaged,
  idempotencyKeyReused,
  noStagedCredentials,
  ownerRequired,
  tooManyTradingAccounts,
  tradingAccountExists,
} from '../trading-accounts.errors';
import { UnlinkAccounts } from './unlink-accounts.service';
import { VerifyAccount } from '../logins/verify-account.service';

const NO_STORE = ['Cache-Control', 'no-store'] as const;
const brokerErrors = [rateLimited, brokerRefused, brokerUnavailable, brokerBadAnswer];
const loginErrors = [
  ...bodyErrors,
  ...brokerErrors,
  notFound,
  ownerRequired,
  brokerUserMismatch,
  brokerCallInProgress,
  tradingAccountExists,
  credentialsDamaged,
];

@ApiTags('Trading accounts')
@Controller('v1/trading-accounts')
export class LinksController {
  constructor(
    private readonly link_: LinkAccount,
    private readonly logIn_: LogIn,
    private readonly rotate_: RotateCredentials,
    private readonly verify_: VerifyAccount,
    private readonly unlink_: UnlinkAccounts,
    private readonly items: OwnAccountItem,
  ) {}

  @Post('link')
  @Header(...NO_STORE)
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      '1 to 255 printable ASCII characters. For a day the same key with the same body answers with the account that ' +
      'the first call made, as it is by then, and with `Idempotency-Replayed: true`. After an error the call can be repeated.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  })
  @Operation({
    summary: 'Link an account at a broker',
    description:
      'With a `request_token` or an `access_token` it is proved at once, and active. Without, it waits as ' +
      '`pending_login`: the owner logs in at `login_url`, and the token from there goes to `…/session`. An error leaves ' +
      'nothing behind; where the account is there already, `trading_account_id` names it.',
    status: 201,
    reply: TradingAccountItem,
    replyHeaders: { 'Idempotency-Replayed': '`true` where an earlier call has made the account' },
    permission: 'trading_account:link',
    apiKeys: false,
    errors: [
      ...bodyErrors,
      ...brokerErrors,
      emailNotVerified,
      idempotencyKeyReused,
      brokerCallInProgress,
      tradingAccountExists,
      tooManyTradingAccounts,
      notFound,
    ],
  })
  async link(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() body: LinkBody,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<TradingAccountItem> {
    const { accountId, isReplayed } = await this.link_.run(caller, body, idempotencyKey);
    if (isReplayed) void reply.header('Idempotency-Replayed', 'true');
    return this.items.of(caller, accountId);
  }

  @Post(':trading_account_id/session')
  @Header(...NO_STORE)
  @Operation({
    summary: 'Log in at the broker: every day, and to finish a link or a rotation',
    description:
      'For the owner. The token must be of a login with the credentials that are used, by the user of the broker who is linked.',
    reply: TradingAccountItem,
    permission: 'trading_account:link',
    apiKeys: false,
    errors: [...loginErrors, noStagedCredentials],
  })
  async logIn(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('trading_account_id') accountId: string,
    @Body() body: SessionBody,
  ): Promise<TradingAccountItem> {
    await this.logIn_.run(caller, accountId, body);
    return this.items.of(caller, accountId);
  }

  @Post(':trading_account_id/rotate-credentials')
  @Header(...NO_STORE)
  @Operation({
    summary: 'Give an account other credentials',
    description:
      'For the owner. With a `request_token` they are proved at once, and an error leaves everything as it was. Without, ' +
      'they wait for a login at `rotation_login_url`, in place of others that have waited; until then the old ones stay ' +
      'in force. An `access_token` says whose session it is, and that is compared; but it proves nothing of the secret, ' +
      'so they wait as well.',
    reply: TradingAccountItem,
    permission: 'trading_account:link',
    apiKeys: false,
    errors: loginErrors,
  })
  async rotate(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('trading_account_id') accountId: string,
    @Body() body: CredentialsBody,
  ): Promise<TradingAccountItem> {
    await this.rotate_.run(caller, accountId, body);
    return this.items.of(caller, accountId);
  }

  @Post(':trading_account_id/verify')
  @Header(...NO_STORE)
  @Operation({
    summary: 'Ask the broker whether the session lives',
    description: 'For the owner, and for members with `manage`, because the answer changes the status.',
    reply: VerifiedReply,
    permission: 'trading_account:view',
    apiKeys: false,
    errors: [
      ...bodyErrors,
      rateLimited,
      notFound,
      accountPermissionDenied,
      credentialsDamaged,
      brokerUnavailable,
      brokerBadAnswer,
    ],
  })
  async verify(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('trading_account_id') accountId: string,
  ): Promise<VerifiedReply> {
    return this.verify_.run(caller, accountId);
  }

  @Delete(':trading_account_id')
  @Operation({
    summary: 'Unlink an account',
    description:
      'For the owner. Its credentials are destroyed and its members removed at once; then it is logged out at the broker, as far as the broker can be reached.',
    reply: UnlinkedReply,
    errors: [...bodyErrors, notFound, ownerRequired],
  })
  async unlink(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('trading_account_id') accountId: string,
  ): Promise<UnlinkedReply> {
    return this.unlink_.one(caller, accountId);
  }
}
