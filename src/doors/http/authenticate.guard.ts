import { ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { Caller } from '../../common/caller';
import type { HttpRequest } from '../../infra/http/http-request';
import { PUBLIC } from '../../infra/http/public.decorator';
import { anonymousCaller } from './anonymous-caller';
import { BearerCallers } from './bearer-callers';
import type { BearerOptions } from './bearer.strategy';

/** Stands before every route: whatever is not `@Public()` needs a caller who has signed in. */
@Injectable()
export class AuthenticateGuard extends AuthGuard('bearer') {
  constructor(
    private readonly reflector: Reflector,
    private readonly callers: BearerCallers,
  ) {
    super({ property: 'caller' });
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (
      !this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC, [
        context.getHandler(),
        context.getClass(),
      ])
    ) {
      return (await super.canActivate(context)) as boolean;
    }
    const request = context.switchToHttp().getRequest<HttpRequest>();
    request.caller = anonymousCaller(request);
    return true;
  }

  /** Passed on to the strategy. */
  override getAuthenticateOptions(): BearerOptions {
    return { callers: this.callers };
  }

  override handleRequest<T = Caller>(error: Error | null, caller: T): T {
    if (error) throw error;
    return caller;
  }
}
