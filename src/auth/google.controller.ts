import { Body, Controller, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Caller } from '../common/caller';
import { rateLimited } from '../common/common.errors';
import { accountDeactivated, accountSuspended, emailNotVerified } from '../identities/identities.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import type { HttpReply, HttpRequest } from '../infra/http/http-request';
import { Operation } from '../infra/http/operation.decorator';
import { sharedHeader } from '../infra/http/shared-parts';
import {
  emailNotUsable,
  googleAlreadyLinked,
  googleNotConfigured,
  invalidOauthCode,
  invalidOauthState,
} from '../oauth/oauth.errors';
import { MfaReply, TokenReply } from './auth.dto';
import { originNotAllowed } from './auth.errors';
import { BrowserCookie } from './browser-cookie';
import { GoogleSignIn } from './google-sign-in.service';
import { GoogleCallbackBody, GoogleStartBody, GoogleStartReply } from './google.dto';
import { RefreshCookie } from './refresh-cookie';
import { SignInReplies } from './sign-in-replies';

@ApiTags('Google')
@Controller('v1/auth/oauth/google')
export class GoogleController {
  constructor(
    private readonly google: GoogleSignIn,
    private readonly browsers: BrowserCookie,
    private readonly cookie: RefreshCookie,
    private readonly replies: SignInReplies,
  ) {}

  @Post()
  @Operation({
    summary: 'Begin to sign in with Google',
    description:
      'Sets a cookie by which the callback recognises the browser: call both with credentials. Good for 10 minutes and one callback; several may be under way at once.',
    reply: GoogleStartReply,
    replyHeaders: { 'Set-Cookie': sharedHeader('Browser-Cookie') },
    cookie: 'Browser-Cookie',
    public: true,
    errors: [...bodyErrors, googleNotConfigured, rateLimited],
  })
  async start(
    @CallerParam() caller: Caller,
    @Body() body: GoogleStartBody,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<GoogleStartReply> {
    const { reply: answer, browser } = await this.google.start(caller, body, this.browsers.read(request));
    this.browsers.set(reply, browser);
    void reply.header('Cache-Control', 'no-store');
    return answer;
  }

  @Post('callback')
  @Operation({
    summary: 'Sign in with what Google sent the browser back with',
    description:
      'Opens the account that is linked with the Google account. Else the one with its address, if that is verified here too; one whose address nobody has verified loses its password, its sessions and all that was set up there first. Else a new one.',
    reply: [TokenReply, MfaReply],
    replyHeaders: { 'Set-Cookie': sharedHeader('Refresh-Cookie') },
    cookie: 'Browser-Cookie',
    public: true,
    errors: [
      ...bodyErrors,
      invalidOauthState,
      invalidOauthCode,
      emailNotVerified,
      emailNotUsable,
      accountSuspended,
      accountDeactivated,
      originNotAllowed,
      googleNotConfigured,
      googleAlreadyLinked,
      rateLimited,
    ],
  })
  async callback(
    @CallerParam() caller: Caller,
    @Body() body: GoogleCallbackBody,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<TokenReply | MfaReply> {
    if (body.token_delivery === 'cookie') this.cookie.requireKnownOrigin(request);
    const { outcome, isNewUser } = await this.google.finish(caller, body, this.browsers.read(request));
    return this.replies.write(reply, outcome, { to: body.token_delivery, isNewUser });
  }
}
