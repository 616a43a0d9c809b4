import { Body, Controller, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { AuthenticatedCaller, Caller } from '../common/caller';
import { rateLimited } from '../common/common.errors';
import { accountDeactivated, accountSuspended, emailNotVerified } from '../identities/identities.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import type { HttpReply, HttpRequest } from '../infra/http/http-request';
import { Operation } from '../infra/http/operation.decorator';
import { sharedHeader } from '../infra/http/shared-parts';
import { hashingBusy, passwordPolicy } from '../passwords/passwords.errors';
import { invalidRefreshToken, refreshTokenMissing, refreshTokenReused } from '../sessions/sessions.errors';
import {
  LoginBody,
  LogoutBody,
  LogoutReply,
  MfaReply,
  RefreshBody,
  RefreshReply,
  RegisterBody,
  RegisterReply,
  TokenReply,
} from './auth.dto';
import { invalidCredentials, originNotAllowed } from './auth.errors';
import { Login } from './login.service';
import { Logout } from './logout.service';
import { RefreshCookie } from './refresh-cookie';
import { Refresh } from './refresh.service';
import { Register } from './register.service';
import { SignInReplies } from './sign-in-replies';

@ApiTags('Sign-in')
@Controller('v1/auth')
export class AuthController {
  constructor(
    private readonly register_: Register,
    private readonly login_: Login,
    private readonly refresh_: Refresh,
    private readonly logout_: Logout,
    private readonly replies: SignInReplies,
    private readonly cookie: RefreshCookie,
  ) {}

  @Post('register')
  @Operation({
    summary: 'Sign up',
    description: 'Answers the same for an address that has an account; its owner is told by mail.',
    status: 201,
    reply: RegisterReply,
    public: true,
    errors: [...bodyErrors, passwordPolicy, rateLimited, hashingBusy],
  })
  async register(@CallerParam() caller: Caller, @Body() body: RegisterBody): Promise<RegisterReply> {
    return this.register_.run(caller, body);
  }

  @Post('login')
  @Operation({
    summary: 'Sign in',
    description:
      'The refresh token goes into an HttpOnly cookie, or into the reply with `token_delivery: "body"`.',
    reply: [TokenReply, MfaReply],
    replyHeaders: { 'Set-Cookie': sharedHeader('Refresh-Cookie') },
    public: true,
    errors: [
      ...bodyErrors,
      invalidCredentials,
      accountSuspended,
      accountDeactivated,
      emailNotVerified,
      originNotAllowed,
      rateLimited,
      hashingBusy,
    ],
  })
  async login(
    @CallerParam() caller: Caller,
    @Body() body: LoginBody,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<TokenReply | MfaReply> {
    const inCookie = body.token_delivery === 'cookie';
    if (inCookie) this.cookie.requireKnownOrigin(request);
    return this.replies.write(reply, await this.login_.run(caller, body), { to: body.token_delivery });
  }

  @Post('refresh')
  @Operation({
    summary: 'Exchange the refresh token for new tokens',
    description:
      'A refresh token works once. Presenting the previous one within REFRESH_GRACE_SECONDS returns the same successor; anything older ends every session of the user.',
    reply: RefreshReply,
    replyHeaders: { 'Set-Cookie': sharedHeader('Refresh-Cookie') },
    cookie: 'Refresh-Cookie',
    public: true,
    errors: [
      ...bodyErrors,
      refreshTokenMissing,
      invalidRefreshToken,
      refreshTokenReused,
      originNotAllowed,
      rateLimited,
    ],
  })
  async refresh(
    @CallerParam() caller: Caller,
    @Body() body: RefreshBody,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<RefreshReply> {
    const fromCookie = body.refresh_token === undefined;
    if (fromCookie) this.cookie.requireKnownOrigin(request);
    const token = body.refresh_token ?? this.cookie.read(request);
    if (!token) throw refreshTokenMissing();
    const { principal, session, ...life } = await this.refresh_.run(caller, token);
    return this.replies.tokens(reply, { principal, session }, fromCookie ? life : null);
  }

  @Post('logout')
  @Operation({
    summary: 'Sign out',
    description:
      'Ends this session, or with `all_devices` every session of yours and every sign-in that is under way. Their refresh ' +
      'tokens no longer work, and this service refuses their access tokens at once; whoever checks those by the public ' +
      'keys alone takes them until `exp`. The refresh cookie is cleared.',
    reply: LogoutReply,
    replyHeaders: { 'Set-Cookie': sharedHeader('No-Refresh-Cookie') },
    errors: bodyErrors,
  })
  async logout(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() body: LogoutBody,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<LogoutReply> {
    const answer = await this.logout_.run(caller, body);
    this.cookie.clear(reply);
    return answer;
  }
}
