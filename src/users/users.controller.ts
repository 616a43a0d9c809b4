import { Body, Controller, Get, Patch } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { AuthenticatedCaller } from '../common/caller';
import { notFound } from '../common/common.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { IdParam } from '../infra/http/id-param.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { Profile, PublicProfile, UpdateProfileBody } from './profile.dto';
import { Profiles } from './profile.service';

@ApiTags('Users')
@Controller('v1/users')
export class UsersController {
  constructor(private readonly profiles: Profiles) {}

  @Get('me')
  @Operation({ summary: 'Your profile', reply: Profile })
  async me(@CallerParam() caller: AuthenticatedCaller): Promise<Profile> {
    return this.profiles.mine(caller);
  }

  @Patch('me')
  @Operation({
    summary: 'Change your profile',
    description: 'Only what is given changes. `null` removes phone and avatar.',
    reply: Profile,
    errors: bodyErrors,
  })
  async update(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() body: UpdateProfileBody,
  ): Promise<Profile> {
    return this.profiles.update(caller, body);
  }

  @Get('profile/:user_id')
  @Operation({ summary: "Somebody's public profile", reply: PublicProfile, errors: [notFound] })
  async profile(@IdParam('user_id') userId: string): Promise<PublicProfile> {
    return this.profiles.ofUser(userId);
  }
}
