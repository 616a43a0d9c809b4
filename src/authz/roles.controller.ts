import { Body, Controller, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { IdentifiedCaller } from '../common/caller';
import { notFound } from '../common/common.errors';
import { emailNotVerified } from '../identities/identities.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { IdParam } from '../infra/http/id-param.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { AssignRoles } from './assign-roles.service';
import { RolesBody, RolesReply } from './authz.dto';
import { escalationRefused, lastAdministrator } from './authz.errors';

@ApiTags('Administration')
@Controller('v1/users')
export class RolesController {
  constructor(private readonly assignRoles: AssignRoles) {}

  @Put(':user_id/roles')
  @Operation({
    summary: 'Set the roles of a user',
    description:
      'Replaces all of them. Nobody changes their own, gives or takes a role that includes a permission they lack, gives ' +
      'one that they hold for a while only, or changes somebody who holds more than they do. A role with `user:write` ' +
      'or `authz:grant` goes to nobody whose e-mail address is not verified. In force on the next check everywhere; the claims of access tokens ' +
      'follow with the next refresh.',
    reply: RolesReply,
    permission: 'authz:grant',
    errors: [...bodyErrors, escalationRefused, emailNotVerified, notFound, lastAdministrator],
  })
  async set(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('user_id') userId: string,
    @Body() { roles }: RolesBody,
  ): Promise<RolesReply> {
    return this.assignRoles.run(caller, userId, roles);
  }
}
