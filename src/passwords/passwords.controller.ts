import { Body, Controller, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { AuthenticatedCaller, Caller } from '../common/caller';
import { rateLimited } from '../common/common.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { ChangePassword } from './change-password.service';
import { hashingBusy, invalidCurrentPassword, invalidResetToken, passwordPolicy } from './passwords.errors';
import {
  ChangePasswordBody,
  ChangePasswordReply,
  MessageReply,
  ResetBody,
  ResetRequestBody,
  ResetRequestReply,
} from './passwords.dto';
import { RequestPasswordReset } from './request-password-reset.service';
import { ResetPassword } from './reset-password.service';

@ApiTags('Passwords')
@Controller('v1')
export class PasswordsController {
  constructor(
    private readonly requestReset_: RequestPasswordReset,
    private readonly reset_: ResetPassword,
    private readonly change_: ChangePassword,
  ) {}

  @Post('auth/password/reset-request')
  @Operation({
    summary: 'Ask for a reset link by mail',
    description: 'Answers the same whether or not the address has an account.',
    reply: ResetRequestReply,
    public: true,
    errors: [...bodyErrors, rateLimited],
  })
  async requestReset(
    @CallerParam() caller: Caller,
    @Body() body: ResetRequestBody,
  ): Promise<ResetRequestReply> {
    return this.requestReset_.run(caller, body);
  }

  @Post('auth/password/reset')
  @Operation({
    summary: 'Set a new password with the token from the mail',
    description: 'Ends every session. A second factor stays as it is.',
    reply: MessageReply,
    public: true,
    errors: [...bodyErrors, invalidResetToken, passwordPolicy, rateLimited, hashingBusy],
  })
  async reset(@CallerParam() caller: Caller, @Body() body: ResetBody): Promise<MessageReply> {
    return this.reset_.run(caller, body);
  }

  @Post('users/change-password')
  @Operation({
    summary: 'Change your password',
    description: 'The owner is mailed. Other sessions stay, unless `revoke_other_sessions` is true.',
    reply: ChangePasswordReply,
    errors: [...bodyErrors, invalidCurrentPassword, passwordPolicy, rateLimited, hashingBusy],
  })
  async change(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() body: ChangePasswordBody,
  ): Promise<ChangePasswordReply> {
    return this.change_.run(caller, body);
  }
}
