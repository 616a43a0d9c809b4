import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { Decisions } from '../../authz/decisions.service';
import { requirePermission } from '../../authz/require-permission';
import { notAuthenticated } from '../../common/common.errors';
import type { HttpRequest } from '../../infra/http/http-request';
import { rulesOf } from './route-rules';

/**
 * Stands before the routes that need a permission: asks what the caller holds at this moment (the claims of an access
 * token are as old as the token) and leaves it with the caller, for the services.
 */
@Injectable()
export class PermissionGuard implements CanActivate {
  constructor(private readonly decisions: Decisions) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const { permission } = rulesOf(context);
    if (permission === undefined) return true;
    return this.admit(context.switchToHttp().getRequest<HttpRequest>(), permission);
  }

  private async admit(request: HttpRequest, permission: string): Promise<boolean> {
    const { caller } = request;
    const { userId } = caller;
    if (userId === undefined) throw notAuthenticated();
    const permissions = await this.decisions.permissionsOfCaller({ ...caller, userId });
    request.caller = { ...caller, permissions, admittedWith: permission };
    requirePermission(request.caller, permission);
    return true;
  }
}
