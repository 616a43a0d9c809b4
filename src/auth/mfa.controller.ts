import { Body, Controller, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Caller } from '../common/caller';
import { rateLimited } from '../common/common.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import type { HttpReply, HttpRequest } from '../infra/http/http-request';
import { Operation } from '../infra/http/operation.decorator';
import { sharedHeader } from '../infra/http/shared-parts';
import { invalidMfaCode, secondFactorDamaged } from '../mfa/mfa.errors';
import { TokenReply } from './auth.dto';
import { invalidMfaToken, originNotAllowed } from './auth.errors';
import { VerifyMfaBody } from './mfa.dto';
import { RefreshCookie } from './refresh-cookie';
import { SignInReplies } from './sign-in-replies';
import { VerifyMfa } from './verify-mfa.service';

@ApiTags('Sign-in')
@Controller('v1/auth/mfa')
export class SignInMfaController {
  constructor(
    private readonly verify_: VerifyMfa,
    private readonly cookie: RefreshCookie,
    private readonly replies: SignInReplies,
  ) {}

  @Post('verify')
  @Operation({
    summary: 'Finish a sign-in with the second factor',
    description:
      'The refresh token goes where the sign-in asked for it. Five tries a sign-in; ten wrong codes in 15 minutes lock the account.',
    reply: TokenReply,
    replyHeaders: { 'Set-Cookie': sharedHeader('Refresh-Cookie') },
    public: true,
    errors: [
      ...bodyErrors,
      invalidMfaToken,
      invalidMfaCode,
      secondFactorDamaged,
      originNotAllowed,
      rateLimited,
    ],
  })
  async verify(
    @CallerParam() caller: Caller,
    @Body() body: VerifyMfaBody,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<TokenReply> {
    const { outcome, delivery, isNewUser } = await this.verify_.run(caller, body, (to) => {
      if (to === 'cookie') this.cookie.requireKnownOrigin(request);
    });
    return this.replies.signedIn(reply, outcome, { to: delivery, isNewUser });
  }
}
