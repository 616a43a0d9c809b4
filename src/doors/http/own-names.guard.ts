import { CanActivate, ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { notFound } from '../../common/common.errors';
import { CONFIG, Config } from '../../config/config';
import type { HttpRequest } from '../../infra/http/http-request';

/**
 * A page of somebody else's, whose name was made to point here (DNS rebinding), must not read reset links or use what
 * is for developers: the pages of development answer to their own names only.
 */
@Injectable()
export class OwnNames implements CanActivate {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  canActivate(context: ExecutionContext): boolean {
    const { host = '' } = context.switchToHttp().getRequest<HttpRequest>().headers;
    const name = host.replace(/:\d+$/, '');
    const own = ['localhost', '127.0.0.1', '[::1]', new URL(this.config.PUBLIC_URL).hostname];
    if (!own.includes(name)) throw notFound();
    return true;
  }
}
