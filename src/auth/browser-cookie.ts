import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, Config } from '../config/config';
import type { HttpReply, HttpRequest } from '../infra/http/http-request';
import { OAuthStates } from '../oauth/oauth-states';

/** 256 random bits, as this service writes them. */
const WELL_FORMED = /^[\w-]{43}$/;

/**
 * What a browser that signs in at a provider is recognised by when it comes back. SameSite=Lax and not Strict: the
 * provider's redirect brings the browser here from another site. `__Host-` (RFC 6265bis, section 4.1.3.2), which asks for
 * the path /: no sibling domain can give the browser a cookie of that name, and with it a sign-in of somebody else's.
 */
@Injectable()
export class BrowserCookie {
  private readonly name: string;

  constructor(@Inject(CONFIG) private readonly config: Config) {
    this.name = `${config.SESSION_COOKIE_SECURE ? '__Host-' : ''}oauth_browser`;
  }

  read(request: HttpRequest): string | undefined {
    const value = request.cookies[this.name];
    return value !== undefined && WELL_FORMED.test(value) ? value : undefined;
  }

  /** Once more for a browser that has it, so that sign-ins in several tabs go on side by side. */
  set(reply: HttpReply, value: string): void {
    void reply.setCookie(this.name, value, {
      path: '/',
      httpOnly: true,
      secure: this.config.SESSION_COOKIE_SECURE,
      sameSite: 'lax',
      maxAge: OAuthStates.lifeSeconds,
    });
  }
}
