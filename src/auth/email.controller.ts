import { Body, Controller, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Caller } from '../common/caller';
import { rateLimited } from '../common/common.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { ResendBody, ResendReply, VerifyEmailBody, VerifyEmailReply } from './auth.dto';
import { invalidVerificationToken } from './auth.errors';
import { VerifyEmail } from './verify-email.service';

@ApiTags('Sign-in')
@Controller('v1/auth/email')
export class EmailController {
  constructor(private readonly verifyEmail: VerifyEmail) {}

  @Post('verify')
  @Operation({
    summary: 'Verify an e-mail address with the token from the mail',
    description:
      'The token is that of the link in the mail. It works once, for EMAIL_VERIFICATION_TOKEN_TTL_HOURS, and proves the ' +
      'address it was mailed to alone. The account is `active` from now on, and its other verification links no longer work. It ' +
      'signs nobody in; where somebody is signed in, tokens say `email_verified: true` from the next refresh on.',
    reply: VerifyEmailReply,
    public: true,
    errors: [...bodyErrors, invalidVerificationToken],
  })
  async verify(@CallerParam() caller: Caller, @Body() body: VerifyEmailBody): Promise<VerifyEmailReply> {
    return this.verifyEmail.run(caller, body);
  }

  @Post('resend')
  @Operation({
    summary: 'Send the verification mail again',
    description: 'Answers the same whether or not the address has an account.',
    status: 202,
    reply: ResendReply,
    public: true,
    errors: [...bodyErrors, rateLimited],
  })
  async resend(@CallerParam() caller: Caller, @Body() body: ResendBody): Promise<ResendReply> {
    return this.verifyEmail.resend(caller, body);
  }
}
