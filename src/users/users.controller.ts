import { Body, Controller, Delete, Get, Headers, Patch, Res } from '@nestjs/common';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import { RefreshCookie } from '../auth/refresh-cookie';
import { lastAdministrator } from '../authz/authz.errors';
import type { AuthenticatedCaller, IdentifiedCaller } from '../common/caller';
import { notFound, rateLimited } from '../common/common.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import type { HttpReply } from '../infra/http/http-request';
import { IdParam } from '../infra/http/id-param.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { sharedHeader } from '../infra/http/shared-parts';
import { verificationRequired } from '../mfa/mfa.errors';
import { hashingBusy, invalidCurrentPassword } from '../passwords/passwords.errors';
import { DeleteAccountBody, DeleteAccountReply } from './delete-account.dto';
import { DeleteAccount } from './delete-account.service';
import { Profile, PublicProfile, UpdateProfileBody } from './profile.dto';
import { Profiles } from './profile.service';

@ApiTags('Users')
@Controller('v1/users')
export class UsersController {
  constructor(
    private readonly profiles: Profiles,
    private readonly deleteAccount: DeleteAccount,
    private readonly cookie: RefreshCookie,
  ) {}

  @Get('me')
  @Operation({
    summary: 'Your profile',
    description: 'With an API key: the account it stands for, with the permissions that the key allows.',
    reply: Profile,
    apiKeys: true,
  })
  async me(@CallerParam() caller: IdentifiedCaller): Promise<Profile> {
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

  @Delete('me')
  @ApiHeader({
    name: 'X-Verification-Token',
    required: false,
    description: 'From POST /v1/mfa/totp/verify, where you have a second factor',
  })
  @Operation({
    summary: 'Delete your account',
    description:
      'Asks for proof of presence: `password`, with a second factor `X-Verification-Token`, with neither a sign-in younger than 5 minutes. In force at once, and the address is free; personal data is erased after 30 days.',
    reply: DeleteAccountReply,
    replyHeaders: { 'Set-Cookie': sharedHeader('No-Refresh-Cookie') },
    errors: [
      ...bodyErrors,
      verificationRequired,
      invalidCurrentPassword,
      lastAdministrator,
      rateLimited,
      hashingBusy,
    ],
  })
  async delete(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() { password }: DeleteAccountBody,
    @Headers('x-verification-token') verificationToken: string | undefined,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<DeleteAccountReply> {
    const answer = await this.deleteAccount.own(caller, { password, verificationToken });
    this.cookie.clear(reply);
    return answer;
  }

  @Get('profile/:user_id')
  @Operation({
    summary: "Somebody's public profile",
    description:
      'What everybody who is signed in may see of anybody: name, picture, and since when there is the account. 404 once ' +
      'it is deleted.',
    reply: PublicProfile,
    errors: [notFound],
  })
  async profile(@IdParam('user_id') userId: string): Promise<PublicProfile> {
    return this.profiles.ofUser(userId);
  }
}
