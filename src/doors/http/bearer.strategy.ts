import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport';
import { notAuthenticated } from '../../common/common.errors';
import type { HttpRequest } from '../../infra/http/http-request';
import type { BearerCallers } from './bearer-callers';

export interface BearerOptions {
  callers: BearerCallers;
}

/**
 * `Authorization: Bearer` for passport, the only place an access token is read from (RFC 6750 section 2.1). Passport's
 * registry is the process', so the strategy holds nothing: what it asks comes with each request.
 */
@Injectable()
export class BearerStrategy extends PassportStrategy(Strategy, 'bearer') {
  override authenticate(request: unknown, options?: unknown): void {
    const http = request as HttpRequest;
    const { callers } = options as BearerOptions;
    // A gateway might have read the other one.
    const isTwice = (http.raw.headersDistinct.authorization?.length ?? 0) > 1;
    const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(http.headers.authorization ?? '') ?? [];
    if (token === undefined || isTwice) return this.error(notAuthenticated());
    callers.of(http, token).then(
      (caller) => this.success(caller),
      (error: unknown) => this.error(error),
    );
  }

  /** Passport wants it; `authenticate` has done all there is to validate. */
  validate(caller: unknown): unknown {
    return caller;
  }
}
