import { createParamDecorator, ExecutionContext } from '@nestjs/common';
import type { Caller } from '../../common/caller';
import type { HttpRequest } from './http-request';

/** The `Caller` that the door has built for this request. */
export const CallerParam = createParamDecorator(
  (_: unknown, context: ExecutionContext): Caller => context.switchToHttp().getRequest<HttpRequest>().caller,
);
