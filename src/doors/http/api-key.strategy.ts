import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport';
import { notAuthenticated, sessionRequired } from '../../common/common.errors';
import type { HttpRequest } from '../../infra/http/http-request';
import type { ApiKeyCallers } from './api-key-callers';

export interface ApiKeyOptions {
  apiKeys: ApiKeyCallers;
  /** Whether the route lets services in. */
  acceptsApiKeys: boolean;
}

/**
 * `X-API-Key` for passport, the only place a key is read from: URLs and bodies end up in logs. Passport's registry is
 * the process', so the strategy holds nothing: what it asks comes with each request.
 */
@Injectable()
export class ApiKeyStrategy extends PassportStrategy(Strategy, 'api-key') {
  override authenticate(request: unknown, options?: unknown): void {
    const http = request as HttpRequest;
    const { apiKeys, acceptsApiKeys } = options as ApiKeyOptions;
    const keys = http.raw.headersDistinct['x-api-key'];
    if (!keys) return this.fail();
    // Who is calling, if there are two answers? A gateway might have read the other one.
    if (keys.length > 1 || http.headers.authorization !== undefined) {
      return this.error(notAuthenticated({ message: 'Send one access token or one API key, not several.' }));
    }
    // Not asked whose key it is: no key helps here.
    if (!acceptsApiKeys) return this.error(sessionRequired());
    apiKeys.of(http, keys[0] ?? '').then(
      (caller) => this.success(caller),
      (error: unknown) => this.error(error),
    );
  }

  /** Passport wants it; `authenticate` has done all there is to validate. */
  validate(caller: unknown): unknown {
    return caller;
  }
}
