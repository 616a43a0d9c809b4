import { Body, Controller, Delete, Get, Patch, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { escalationRefused, lastAdministrator } from '../authz/authz.errors';
import type { IdentifiedCaller } from '../common/caller';
import { notFound, validationFailed } from '../common/common.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { IdParam } from '../infra/http/id-param.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { Account, AccountList, AccountsQuery, CreateAccountBody } from './accounts.dto';
import { Accounts } from './accounts.service';
import { CreateAccount } from './create-account.service';
import { DeleteAccountReply } from './delete-account.dto';
import { DeleteAccount } from './delete-account.service';
import { FindAccounts } from './find-accounts.service';
import { UpdateProfileBody } from './profile.dto';
import { emailTaken } from './users.errors';

@ApiTags('Administration')
@Controller('v1/users')
export class AccountsController {
  constructor(
    private readonly find: FindAccounts,
    private readonly create_: CreateAccount,
    private readonly accounts: Accounts,
    private readonly delete_: DeleteAccount,
  ) {}

  @Get()
  @Operation({
    summary: 'Find accounts',
    description:
      'Newest first; where `email` is given, in the order of the addresses. Filters go together. `offset` reaches 10,000; to walk through everything, ask for `after` the last `user_id` you have got.',
    reply: AccountList,
    permission: 'user:read',
    errors: [validationFailed],
  })
  async list(@CallerParam() caller: IdentifiedCaller, @Query() query: AccountsQuery): Promise<AccountList> {
    return this.find.run(caller, query);
  }

  @Post()
  @Operation({
    summary: 'Make an account for somebody, or for a service',
    description:
      'Answers with the account, so it needs `user:read` too. A person is mailed a link that sets the first password, and is a trader like whoever signs up. A service starts with no role and no key.',
    status: 201,
    reply: Account,
    permission: 'user:write',
    errors: [...bodyErrors, emailTaken],
  })
  async create(@CallerParam() caller: IdentifiedCaller, @Body() body: CreateAccountBody): Promise<Account> {
    return this.create_.run(caller, body);
  }

  @Get(':user_id')
  @Operation({ summary: 'An account', reply: Account, permission: 'user:read', errors: [notFound] })
  async get(@CallerParam() caller: IdentifiedCaller, @IdParam('user_id') userId: string): Promise<Account> {
    return this.accounts.get(caller, userId);
  }

  @Patch(':user_id')
  @Operation({
    summary: "Change an account's profile",
    description:
      'Answers with the account, so it needs `user:read` too. Only what is given changes. `null` removes phone and avatar.',
    reply: Account,
    permission: 'user:write',
    errors: [...bodyErrors, notFound, escalationRefused],
  })
  async update(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('user_id') userId: string,
    @Body() body: UpdateProfileBody,
  ): Promise<Account> {
    return this.accounts.update(caller, userId, body);
  }

  @Delete(':user_id')
  @Operation({
    summary: "Delete somebody's account",
    description:
      'In force at once; personal data is erased after 30 days. The own account: DELETE /v1/users/me.',
    reply: DeleteAccountReply,
    permission: 'user:write',
    errors: [...bodyErrors, notFound, escalationRefused, lastAdministrator],
  })
  async delete(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('user_id') userId: string,
  ): Promise<DeleteAccountReply> {
    return this.delete_.ofOther(caller, userId);
  }
}
