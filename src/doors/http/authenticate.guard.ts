import { ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { Caller } from '../../common/caller';
import { ACCEPTS_API_KEYS } from '../../infra/http/accept-api-keys.decorator';
import type { HttpRequest } from '../../infra/http/http-request';
import { PUBLIC } from '../../infra/http/public.decorator';
import { anonymousCaller } from './anonymous-caller';
import { ApiKeyCallers } from './api-key-callers';
import type { ApiKeyOptions } from './api-key.strategy';
import { BearerCallers } from './bearer-callers';
import type { BearerOptions } from './bearer.strategy';

/**
 * Stands before every route: whatever is not `@Public()` needs a caller who has signed in, or, where the route says so,
 * a service with an API key.
 */
@Injectable()
export class AuthenticateGuard extends AuthGuard(['api-key', 'bearer']) {
  constructor(
    private readonly reflector: Reflector,
    private readonly callers: BearerCallers,
    private readonly apiKeys: ApiKeyCallers,
  ) {
    super({ property: 'caller' });
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (!this.isMarked(context, PUBLIC)) return (await super.canActivate(context)) as boolean;
    const request = context.switchToHttp().getRequest<HttpRequest>();
    request.caller = anonymousCaller(request);
    return true;
  }

  /** Passed on to the strategies. */
  override getAuthenticateOptions(context: ExecutionContext): BearerOptions & ApiKeyOptions {
    return {
      callers: this.callers,
      apiKeys: this.apiKeys,
      acceptsApiKeys: this.isMarked(context, ACCEPTS_API_KEYS),
    };
  }

  override handleRequest<T = Caller>(error: Error | null, caller: T): T {
    if (error) throw error;
    return caller;
  }

  private isMarked(context: ExecutionContext, mark: string): boolean {
    const targets = [context.getHandler(), context.getClass()];
    return this.reflector.getAllAndOverride<boolean | undefined>(mark, targets) ?? false;
  }
}
