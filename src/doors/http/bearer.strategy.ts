import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport';
import { AuthenticatedCaller } from '../../common/caller';
import { notAuthenticated } from '../../common/common.errors';
import type { HttpRequest } from '../../infra/http/http-request';
import { SessionStore } from '../../sessions/session-store';
import { AccessTokens } from '../../tokens/access-tokens.service';
import { invalidAccessToken } from '../../tokens/tokens.errors';
import { anonymousCaller } from './anonymous-caller';

const SUBJECT = /^user:([0-9a-f-]{36})$/;

/** Makes a caller of an access token whose signature, claims and session all hold. */
@Injectable()
export class BearerStrategy extends PassportStrategy(Strategy, 'bearer') {
  constructor(
    private readonly accessTokens: AccessTokens,
    private readonly sessions: SessionStore,
  ) {
    super();
  }

  /** Called by passport. The header is the only place an access token is read from (RFC 6750 section 2.1). */
  override authenticate(request: unknown): void {
    const http = request as HttpRequest;
    const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(http.headers.authorization ?? '') ?? [];
    if (token === undefined) return this.error(notAuthenticated());
    this.caller(http, token).then(
      (caller) => this.success(caller),
      (error: unknown) => this.error(error),
    );
  }

  /** Passport wants it; `authenticate` has done all there is to validate. */
  validate(caller: unknown): unknown {
    return caller;
  }

  private async caller(request: HttpRequest, token: string): Promise<AuthenticatedCaller> {
    const claims = await this.accessTokens.verify(token);
    const [, userId] = SUBJECT.exec(claims.sub) ?? [];
    if (userId === undefined || !(await this.sessions.isOpen(userId, claims.sid))) throw invalidAccessToken();
    return {
      ...anonymousCaller(request),
      userId,
      sessionId: claims.sid,
      permissions: new Set(claims.scope.split(' ').filter(Boolean)),
    };
  }
}
