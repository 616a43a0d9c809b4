import { Body, Controller, Delete, Get, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { escalationRefused } from '../../authz/authz.errors';
import type { AuthenticatedCaller } from '../../common/caller';
import { featureDisabled, notFound, rateLimited, validationFailed } from '../../common/common.errors';
import { PageQuery } from '../../common/pagination';
import { emailNotVerified } from '../../identities/identities.errors';
import { bodyErrors } from '../../infra/http/body-errors';
import { CallerParam } from '../../infra/http/caller.decorator';
import { IdParam } from '../../infra/http/id-param.decorator';
import { Operation } from '../../infra/http/operation.decorator';
import { AddMember } from './add-member.service';
import { ListMembers } from './list-members.service';
import { AddMemberBody, MemberItem, MemberList } from './members.dto';
import { RemoveMember } from './remove-member.service';
import {
  accountPermissionDenied,
  alreadyMember,
  alreadyOwner,
  memberNotFound,
  tooManyMembers,
  tradingAccountNotLinked,
} from '../trading-accounts.errors';

@ApiTags('Trading accounts')
@Controller('v1/trading-accounts/:trading_account_id/members')
export class MembersController {
  constructor(
    private readonly list_: ListMembers,
    private readonly add_: AddMember,
    private readonly remove_: RemoveMember,
  ) {}

  @Get()
  @Operation({
    summary: 'With whom an account is shared',
    description:
      'Newest first, without those that have expired. For its owner, and members who may `manage` it; these see the ' +
      'addresses of those alone whom they have invited.',
    reply: MemberList,
    permission: 'trading_account:view',
    apiKeys: false,
    errors: [featureDisabled, notFound, accountPermissionDenied, validationFailed],
  })
  async list(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('trading_account_id') accountId: string,
    @Query() page: PageQuery,
  ): Promise<MemberList> {
    return this.list_.run(caller, accountId, page);
  }

  @Post()
  @Operation({
    summary: 'Share an account with somebody',
    description:
      'By the address of somebody who has an open account here and has verified it; they are told by mail. It takes a ' +
      'verified address of your own, and ownership or `manage`. A member gives at most what they have, for no longer ' +
      'than they have it; what they have given ends with what they have. An account has at most 50 members. Nobody invites ' +
      'more than 20 times an hour, nor does a client address: it would be a way to try addresses. A membership that ' +
      'has expired is replaced; one that stands is named by the member `membership_id` of the 409.',
    status: 201,
    reply: MemberItem,
    permission: 'trading_account:manage',
    apiKeys: false,
    errors: [
      ...bodyErrors,
      featureDisabled,
      emailNotVerified,
      accountPermissionDenied,
      escalationRefused,
      notFound,
      memberNotFound,
      alreadyMember,
      alreadyOwner,
      tooManyMembers,
      tradingAccountNotLinked,
      rateLimited,
    ],
  })
  async add(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('trading_account_id') accountId: string,
    @Body() body: AddMemberBody,
  ): Promise<MemberItem> {
    return this.add_.run(caller, accountId, body);
  }

  @Delete(':membership_id')
  @Operation({
    summary: 'Stop sharing an account with somebody, or leave it',
    description:
      'What they have given others ends too. In force on the next check everywhere. Everybody may leave; it takes ' +
      '`trading_account:manage` to remove others: owners all of them, members with `manage` those whom they have ' +
      'invited, and whom these have invited in turn.',
    status: 204,
    permission: 'trading_account:view',
    apiKeys: false,
    errors: [...bodyErrors, featureDisabled, notFound, accountPermissionDenied],
  })
  async remove(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('trading_account_id') accountId: string,
    @IdParam('membership_id') membershipId: string,
  ): Promise<void> {
    await this.remove_.run(caller, accountId, membershipId);
  }
}
