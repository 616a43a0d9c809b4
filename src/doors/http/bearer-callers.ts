import { Injectable } from '@nestjs/common';
import { AuthenticatedCaller } from '../../common/caller';
import { invalidAccessToken } from '../../common/common.errors';
import type { HttpRequest } from '../../infra/http/http-request';
import { SessionStore } from '../../sessions/session-store';
import { AccessTokens } from '../../tokens/access-tokens.service';
import { anonymousCaller } from './anonymous-caller';

const SUBJECT = /^user:([0-9a-f-]{36})$/;

/** Makes a caller of an access token whose signature, claims and session all hold. */
@Injectable()
export class BearerCallers {
  constructor(
    private readonly accessTokens: AccessTokens,
    private readonly sessions: SessionStore,
  ) {}

  /** @throws invalid_access_token */
  async of(request: HttpRequest, token: string): Promise<AuthenticatedCaller> {
    const claims = await this.accessTokens.verify(token);
    const userId = SUBJECT.exec(claims.sub)?.[1];
    if (userId === undefined || !(await this.sessions.isOpen(userId, claims.sid))) throw invalidAccessToken();
    // Member by member: spreading them took 2 µs, and every request comes by here.
    const { requestId, ip, userAgent, permissions } = anonymousCaller(request);
    return { requestId, ip, userAgent, permissions, userId, sessionId: claims.sid };
  }
}
