import { ExecutionContext, Injectable } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import type { Caller } from '../../common/caller';
import { notAuthenticated } from '../../common/common.errors';
import type { HttpRequest } from '../../infra/http/http-request';
import { anonymousCaller } from './anonymous-caller';
import { ApiKeyCallers } from './api-key-callers';
import type { ApiKeyOptions } from './api-key.strategy';
import { BearerCallers } from './bearer-callers';
import { bearerToken } from './bearer-token';
import { rulesOf } from './route-rules';

/**
 * Stands before every route: whatever is not `@Public()` needs a caller who has signed in, or, where the route says so,
 * a service with an API key. Keys go through passport; access tokens, which nearly every request brings, do not: passport
 * makes a strategy with six functions for each, and that took longer than all that is looked at.
 */
@Injectable()
export class AuthenticateGuard extends AuthGuard('api-key') {
  constructor(
    private readonly callers: BearerCallers,
    private readonly apiKeys: ApiKeyCallers,
  ) {
    super({ property: 'caller' });
  }

  override canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    if (rulesOf(context).isPublic) {
      request.caller = anonymousCaller(request);
      return true;
    }
    // A request with both is for the strategy to refuse.
    if (request.headers['x-api-key'] === undefined) return this.admitBearer(request);
    return super.canActivate(context) as Promise<boolean>;
  }

  /** Passed on to the strategy. */
  override getAuthenticateOptions(context: ExecutionContext): ApiKeyOptions {
    return { apiKeys: this.apiKeys, acceptsApiKeys: rulesOf(context).acceptsApiKeys };
  }

  override handleRequest<T = Caller>(error: Error | null, caller: T | false): T {
    if (error) throw error;
    if (!caller) throw notAuthenticated();
    return caller;
  }

  private async admitBearer(request: HttpRequest): Promise<boolean> {
    request.caller = await this.callers.of(request, bearerToken(request.raw));
    return true;
  }
}
