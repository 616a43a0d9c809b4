import { Body, Controller, Delete, Get, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { IdentifiedCaller } from '../common/caller';
import { notFound, permissionDenied, validationFailed } from '../common/common.errors';
import { emailNotVerified } from '../identities/identities.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { IdParam } from '../infra/http/id-param.decorator';
import { Operation } from '../infra/http/operation.decorator';
import {
  PermissionCheckBody,
  PermissionCheckReply,
  GrantBody,
  GrantReply,
  HeldPermissionList,
  HeldPermissionsQuery,
} from './authz.dto';
import { escalationRefused, permissionAlreadyGranted } from './authz.errors';
import { CheckPermission } from './check-permission.service';
import { Grants } from './grants.service';
import { HeldPermissions } from './held-permissions.service';

@ApiTags('Authorization')
@Controller('v1/authz')
export class AuthzController {
  constructor(
    private readonly checkPermission: CheckPermission,
    private readonly heldPermissions: HeldPermissions,
    private readonly grants: Grants,
  ) {}

  @Post('check')
  @Operation({
    summary: 'May somebody do this?',
    description:
      'As of this moment, whatever an access token says. Refused unless something allows it; a permission that does ' +
      'not exist is nobody’s. About yourself everybody may ask, and with an API key the answer is limited by the ' +
      'key; about others it takes the permission `authz:check`. With `resource` the user needs access to that object ' +
      'as well, as its owner or a member: asked each time, so that a membership that was removed or has expired counts ' +
      'for nothing at once, on every instance. `trading_credentials:read` nobody has on an account: credentials are ' +
      'handed out by one operation alone. An account that may not sign in may do nothing.',
    reply: PermissionCheckReply,
    apiKeys: true,
    errors: [...bodyErrors, permissionDenied, notFound],
  })
  async check(
    @CallerParam() caller: IdentifiedCaller,
    @Body() body: PermissionCheckBody,
  ): Promise<PermissionCheckReply> {
    return this.checkPermission.run(caller, body);
  }

  @Get('permissions')
  @Operation({
    summary: 'What you may do, and why',
    description:
      'With an API key only what the key lets through. With `user_id` what that user may do, all of it, also while the ' +
      'account is suspended: here is the `permission_id` of a grant to revoke. Of others it takes the permission ' +
      '`authz:check`.',
    reply: HeldPermissionList,
    apiKeys: true,
    errors: [validationFailed, permissionDenied, notFound],
  })
  async list(
    @CallerParam() caller: IdentifiedCaller,
    @Query() { user_id }: HeldPermissionsQuery,
  ): Promise<HeldPermissionList> {
    return this.heldPermissions.list(caller, user_id);
  }

  @Post('permissions')
  @Operation({
    summary: 'Grant a permission',
    description:
      'Nobody grants to themselves, what they do not hold, for longer than they or their API key hold it, or to somebody ' +
      'who holds more than they do. `user:write` and `authz:grant` go to nobody whose e-mail address is not verified. In force on the next check everywhere. A grant that has expired is replaced; one that stands is named by the member ' +
      '`permission_id` of the 409.',
    status: 201,
    reply: GrantReply,
    permission: 'authz:grant',
    errors: [...bodyErrors, escalationRefused, emailNotVerified, notFound, permissionAlreadyGranted],
  })
  async grant(@CallerParam() caller: IdentifiedCaller, @Body() body: GrantBody): Promise<GrantReply> {
    return this.grants.grant(caller, body);
  }

  @Delete('permissions/:permission_id')
  @Operation({
    summary: 'Revoke a granted permission',
    description:
      'In force on the next check everywhere. Whose permission it is must not hold more than you do; your own you may ' +
      'give back.',
    status: 204,
    permission: 'authz:grant',
    errors: [...bodyErrors, escalationRefused, notFound],
  })
  async revoke(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('permission_id') permissionId: string,
  ): Promise<void> {
    await this.grants.revoke(caller, permissionId);
  }
}
