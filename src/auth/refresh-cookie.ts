import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../common/clock';
import { CONFIG, Config } from '../config/config';
import type { HttpReply, HttpRequest } from '../infra/http/http-request';
import { originNotAllowed } from './auth.errors';

/**
 * The refresh token as a cookie that scripts can't read and that goes to the sign-in routes alone. SameSite=Strict
 * keeps it out of foreign requests; the check of Origin does so again where a browser or a setting does not.
 */
@Injectable()
export class RefreshCookie {
  private readonly allowedOrigins: ReadonlySet<string>;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.allowedOrigins = new Set([...config.CORS_ALLOWED_ORIGINS, new URL(config.PUBLIC_URL).origin]);
  }

  read(request: HttpRequest): string | undefined {
    return request.cookies[this.config.SESSION_COOKIE_NAME];
  }

  /** @throws origin_not_allowed when the call comes from a page we do not know. */
  requireKnownOrigin(request: HttpRequest): void {
    const { origin } = request.headers;
    if (origin !== undefined && !this.allowedOrigins.has(origin)) throw originNotAllowed();
  }

  /** @param session without `persistent` the cookie goes when the browser closes. */
  set(reply: HttpReply, token: string, session: { persistent: boolean; absoluteEnd: number }): void {
    const maxAge = Math.floor((session.absoluteEnd - this.clock.now()) / 1000);
    void reply.setCookie(this.config.SESSION_COOKIE_NAME, token, {
      ...this.attributes,
      ...(session.persistent && { maxAge }),
    });
  }

  clear(reply: HttpReply): void {
    void reply.clearCookie(this.config.SESSION_COOKIE_NAME, this.attributes);
  }

  private get attributes() {
    return {
      // As the browser sees it: a gateway may serve us under a prefix.
      path: `${new URL(this.config.PUBLIC_URL).pathname.replace(/\/$/, '')}/v1/auth`,
      httpOnly: this.config.SESSION_COOKIE_HTTPONLY,
      secure: this.config.SESSION_COOKIE_SECURE,
      sameSite: this.config.SESSION_COOKIE_SAMESITE,
    };
  }
}
