import { Body, Controller, Delete, Get, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { escalationRefused, lastAdministrator } from '../authz/authz.errors';
import type { IdentifiedCaller } from '../common/caller';
import { notFound } from '../common/common.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { IdParam } from '../infra/http/id-param.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { mfaNotEnabled } from '../mfa/mfa.errors';
import { SessionList } from '../sessions/sessions.dto';
import { AccountAccess } from './account-access.service';
import { Account, SessionsEnded, SuspendBody } from './accounts.dto';
import { Accounts } from './accounts.service';
import { Suspensions } from './suspensions.service';

@ApiTags('Administration')
@Controller('v1/users/:user_id')
export class AccountAccessController {
  constructor(
    private readonly accounts: Accounts,
    private readonly suspensions: Suspensions,
    private readonly access: AccountAccess,
  ) {}

  @Post('suspend')
  @Operation({
    summary: 'Suspend an account',
    description:
      'Answers with the account, so it needs `user:read` too. Its sessions end at once, and its API keys stop working. Its owner is mailed.',
    reply: Account,
    permission: 'user:write',
    errors: [...bodyErrors, notFound, escalationRefused, lastAdministrator],
  })
  async suspend(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('user_id') userId: string,
    @Body() { reason }: SuspendBody,
  ): Promise<Account> {
    await this.suspensions.suspend(caller, userId, reason ?? null);
    return this.accounts.show(userId);
  }

  @Post('reactivate')
  @Operation({
    summary: 'Open a suspended account again',
    description: 'Answers with the account, so it needs `user:read` too. Its owner is mailed.',
    reply: Account,
    permission: 'user:write',
    errors: [...bodyErrors, notFound, escalationRefused],
  })
  async reactivate(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('user_id') userId: string,
  ): Promise<Account> {
    await this.suspensions.reactivate(caller, userId);
    return this.accounts.show(userId);
  }

  @Post('mfa/reset')
  @Operation({
    summary: 'Remove the second factor of somebody who has lost it',
    description:
      'Answers with the account, so it needs `user:read` too. Ends every session of the account. Its owner is mailed.',
    reply: Account,
    permission: 'user:write',
    errors: [...bodyErrors, notFound, escalationRefused, mfaNotEnabled],
  })
  async resetSecondFactor(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('user_id') userId: string,
  ): Promise<Account> {
    await this.access.resetSecondFactor(caller, userId);
    return this.accounts.show(userId);
  }

  @Get('sessions')
  @Operation({
    summary: 'Where somebody is signed in',
    reply: SessionList,
    permission: 'user:read',
    errors: [notFound],
  })
  async sessions(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('user_id') userId: string,
  ): Promise<SessionList> {
    return this.access.sessions(caller, userId);
  }

  @Delete('sessions')
  @Operation({
    summary: 'Sign somebody out everywhere',
    reply: SessionsEnded,
    permission: 'user:write',
    errors: [...bodyErrors, notFound, escalationRefused],
  })
  async endSessions(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('user_id') userId: string,
  ): Promise<SessionsEnded> {
    return this.access.endSessions(caller, userId);
  }
}
