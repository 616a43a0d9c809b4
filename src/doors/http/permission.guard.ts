import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { Decisions } from '../../authz/decisions.service';
import { requirePermission } from '../../authz/require-permission';
import { notAuthenticated } from '../../common/common.errors';
import type { HttpRequest } from '../../infra/http/http-request';
import { PERMISSION } from '../../infra/http/require-permission.decorator';

/**
 * Stands before the routes that need a permission: asks what the caller holds at this moment (the claims of an access
 * token are as old as the token) and leaves it with the caller, for the services.
 */
@Injectable()
export class PermissionGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly decisions: Decisions,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const permission = this.reflector.getAllAndOverride<string | undefined>(PERMISSION, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (permission === undefined) return true;
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const { caller } = request;
    const { userId } = caller;
    if (userId === undefined) throw notAuthenticated();
    const permissions = await this.decisions.permissionsOfCaller({ ...caller, userId });
    request.caller = { ...caller, permissions, admittedWith: permission };
    requirePermission(request.caller, permission);
    return true;
  }
}
